-- A month by everything that allocation asks.
-- $1 billing period
-- Index: department_months_period.
select
    payer,
    seller,
    invoice,
    currency,
    account,
    product_code,
    charge_class,
    charge_type,
    line_kind,
    token,
    reason,
    department,
    sum(lines)::bigint as "lines!",
    sum(tokens)::bigint as "tokens!",
    sum(cost) as "cost!"
from department_months
where billing_period = $1
group by
    payer, seller, invoice, currency, account, product_code, charge_class, charge_type, line_kind, token, reason, department
