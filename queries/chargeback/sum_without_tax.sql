-- A month's Bedrock lines as delivered, in dollars without tax.
-- $1 billing period
-- Index: department_months_period.
select coalesce(sum(cost), 0) as "cost!"
from department_months
where billing_period = $1 and currency = 'USD' and charge_class <> 'tax'
