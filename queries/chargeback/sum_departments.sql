-- A month per department, or per reason where there is none.
-- $1 billing period
-- Index: department_months_period.
select
    charge_class,
    charge_type,
    currency,
    state,
    reason,
    department,
    sum(lines)::bigint as "lines!",
    sum(tokens)::bigint as "tokens!",
    sum(cost) as "cost!",
    sum(net_cost) as "net_cost!"
from department_months
where billing_period = $1
group by charge_class, charge_type, currency, state, reason, department
order by charge_class, charge_type, currency, state, reason, department
