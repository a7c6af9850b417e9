-- $1 billing period, $2 day
select count(*) as "count!" from kept_forecasts where billing_period = $1 and day_of_month = $2
