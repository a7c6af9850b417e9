-- A month by everything that allocation asks.
-- $1 billing period, $2 payers on the net basis: their net column, without discount lines
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
    usage_date,
    sum(lines)::bigint as "lines!",
    sum(tokens)::bigint as "tokens!",
    sum(case when payer = any($2) then net_cost else cost end) as "cost!"
from department_months
where billing_period = $1 and not (payer = any($2) and charge_class = 'discount')
group by
    payer, seller, invoice, currency, account, product_code, charge_class, charge_type, line_kind, token, reason, department,
    usage_date
