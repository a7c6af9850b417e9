-- What stood in a month's way may be gone: its refused deliveries are worth reading again.
-- $1 billing period
update refusals set digest = null where billing_period = $1 and digest is not null
