-- The number of a month's next statement.
-- $1 billing period
select coalesce(max(version), 0) + 1 as "version!" from statements where billing_period = $1
