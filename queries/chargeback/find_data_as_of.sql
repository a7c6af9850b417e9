-- When the oldest delivery behind a month was made; null where nothing of it is loaded.
-- $1 billing period
-- Index: snapshots_current.
select min(delivered_at) as delivered_at
from snapshots
where is_current and billing_period = $1
