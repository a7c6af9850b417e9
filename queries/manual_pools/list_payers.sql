-- Payers with a bill in a month.
-- $1 billing period
-- Index: department_months_period.
select distinct payer from department_months where billing_period = $1 order by payer
