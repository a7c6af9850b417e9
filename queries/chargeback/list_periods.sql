-- Months that are loaded, with the age of their oldest source and its coverage.
select
    billing_period,
    min(delivered_at) as "delivered_at!",
    max(loaded_at) as "loaded_at!",
    min(first_day) as first_day,
    min(last_day) as last_day
from snapshots
where is_current
group by billing_period
order by billing_period desc
