-- The first and the last day of use that a month bills.
-- $1 billing period, $2 source
select min(usage_date) as "from", max(usage_date) as "to"
from charges
where billing_period = $1 and source_id = $2
