-- Use by the day of each department; null is of none.
-- $1 first billing period, $2 first day, $3 end (exclusive)
-- Index: department_days_period.
select department, usage_date, sum(cost) as "cost!"
from department_days
where billing_period >= $1 and usage_date >= $2 and usage_date < $3 and charge_class = 'usage' and currency = 'USD'
group by department, usage_date
