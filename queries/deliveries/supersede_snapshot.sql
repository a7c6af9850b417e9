-- Marks the loaded delivery of a month as superseded; its totals stay.
-- $1 source, $2 billing period
update snapshots
set is_current = false
where source_id = $1 and billing_period = $2 and is_current
