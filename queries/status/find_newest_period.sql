-- The newest month that is loaded.
-- Index: snapshots_current.
select max(billing_period) from snapshots where is_current
