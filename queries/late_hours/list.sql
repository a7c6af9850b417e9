-- The last nine hours of each UTC day of a month, in dollars; only days that every source tells hours of.
-- $1 billing period
select h.usage_date, sum(h.cost) as "cost!"
from late_hours as h
where h.billing_period = $1 and not exists (
    select 1
    from snapshots as n
    where
        n.billing_period = $1 and n.is_current and not exists (
            select 1 from late_hours as o where o.billing_period = $1 and o.source_id = n.source_id
        )
)
group by h.usage_date
order by h.usage_date
