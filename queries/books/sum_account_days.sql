-- Usage of the days on which the same account and product has a credit or discount of that day.
-- $1 billing period, $2 payers on the net basis: their net column
-- Index: account_days_period.
select
    payer,
    account,
    product_code,
    usage_date,
    department,
    sum(case when payer = any($2) then net_cost else cost end) as "cost!"
from account_days
where billing_period = $1
group by payer, account, product_code, usage_date, department
