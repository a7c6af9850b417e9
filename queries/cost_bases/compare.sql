-- Both measures of a month, Bedrock's lines, by payer.
-- $1 billing period
-- Index: department_months_period.
select
    payer,
    coalesce(sum(lines) filter (where charge_class <> 'discount'), 0)::bigint as "lines!",
    coalesce(sum(lines_without_net) filter (where charge_class <> 'discount'), 0)::bigint as "lines_without_net!",
    coalesce(sum(cost) filter (where lines_without_net > 0 and charge_class <> 'discount'), 0) as "cost_without_net!",
    sum(cost) as "cost!",
    coalesce(sum(net_cost) filter (where charge_class <> 'discount'), 0) as "net_cost!"
from department_months
where billing_period = $1 and currency = 'USD'
group by payer
order by payer
