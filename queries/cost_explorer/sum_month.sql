-- What Cost Explorer says of a month's Bedrock services by record type, in dollars without tax, and how many days it was asked for.
-- $1 first day, $2 first day of the next month
-- Index: cost_explorer_totals_day.
select
    (
        select count(distinct d.usage_date)
        from cost_explorer_days as d
        where d.kind = 'record_type' and d.usage_date >= $1 and d.usage_date < $2
    ) as "days!",
    coalesce(sum(t.cost), 0) as "cost!"
from cost_explorer_totals as t
where
    t.kind = 'record_type' and t.usage_date >= $1 and t.usage_date < $2 and t.currency = 'USD' and t.label <> 'Tax'
