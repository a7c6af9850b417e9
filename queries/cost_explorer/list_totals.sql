-- Totals per day, service and record type of the two kinds that are compared, with the age of each day.
-- $1 payer, $2 kind
-- Index: cost_explorer_totals_day.
select
    t.usage_date, t.service as "service!", case t.kind when 'usage_type' then 'Usage' else t.label end as "charge_type!",
    t.currency, sum(t.cost) as "cost!", d.is_estimated, d.fetched_at
from cost_explorer_totals as t
inner join cost_explorer_days as d using (payer, kind, usage_date)
where t.payer = $1 and t.kind = $2 and t.service is not null
group by t.usage_date, t.service, 3, t.currency, d.is_estimated, d.fetched_at
order by t.usage_date, t.service
