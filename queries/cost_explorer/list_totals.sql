-- Totals per day, service and record type of the two kinds that are compared by service.
-- $1 payer, $2 kind
-- Index: cost_explorer_totals_day.
select
    usage_date,
    service as "service!",
    case kind when 'usage_type' then 'Usage' else label end as "charge_type!",
    currency,
    sum(cost) as "cost!"
from cost_explorer_totals
where payer = $1 and kind = $2 and service is not null
group by usage_date, service, 3, currency
order by usage_date, service
