-- The current deliveries of a month.
-- $1 billing period
-- Index: snapshots_current.
select source_id, snapshot_id
from snapshots
where is_current and billing_period = $1
order by source_id
