-- Manual pools of a month, or all, by month and name.
-- $1 billing period or null
select billing_period, name, payer, jpy, reason, recorded_by
from manual_pools
where $1::date is null or billing_period = $1
order by billing_period, name
