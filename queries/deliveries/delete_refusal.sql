-- A month that is loaded, or found unchanged, is not refused any more.
-- $1 source, $2 billing period
delete from refusals
where source_id = $1 and billing_period = $2
