-- A payer whose month is counted from another source already.
-- $1 source, $2 billing period, $3 payers
-- Index: snapshots_current.
select s.name as source, p.payer
from snapshots as n
inner join sources as s using (source_id)
inner join snapshot_payers as p using (snapshot_id)
where n.billing_period = $2 and n.is_current and n.source_id <> $1 and p.payer = any($3::text[])
order by p.payer
limit 1
