-- The deliveries that a month rests on now, with their totals in dollars.
-- $1 billing period
-- Index: snapshots_current.
select
    n.snapshot_id,
    s.name as source,
    s.location,
    n.digest,
    n.manifest,
    n.files,
    n.delivered_at,
    n.lines_read,
    n.lines_kept,
    n.first_day,
    n.last_day,
    n.directory_version,
    coalesce((select sum(t.cost) from snapshot_totals as t where t.snapshot_id = n.snapshot_id and t.is_bedrock), 0) as "cost!",
    coalesce((select sum(t.cost) from snapshot_totals as t where t.snapshot_id = n.snapshot_id and not t.is_bedrock), 0) as "left_out_cost!"
from snapshots as n
inner join sources as s using (source_id)
where n.billing_period = $1 and n.is_current
order by s.name
