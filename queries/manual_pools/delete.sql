-- $1 billing period, $2 name
delete from manual_pools where billing_period = $1 and name = $2
