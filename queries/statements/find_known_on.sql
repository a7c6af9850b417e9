-- The last statement of a month that was sealed by the end of a UTC day.
-- $1 billing period, $2 day
select statement_id
from statements
where billing_period = $1 and sealed_at < ($2::date + 1)::timestamp at time zone 'UTC'
order by version desc
limit 1
