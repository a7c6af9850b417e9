-- The delivery of a source's month that came before the loaded one.
-- $1 loaded snapshot
-- Index: snapshots_history.
select p.snapshot_id, p.delivered_at
from snapshots as n
inner join snapshots as p on p.source_id = n.source_id and p.billing_period = n.billing_period and p.snapshot_id < n.snapshot_id
where n.snapshot_id = $1
order by p.snapshot_id desc
limit 1
