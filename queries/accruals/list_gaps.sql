-- Days without any line inside a month's deliveries: they are no day to take another for.
-- $1 billing period
select distinct d.usage_date::date as "usage_date!"
from snapshots as n
cross join lateral generate_series(n.first_day, n.last_day, interval '1 day') as d (usage_date)
where
    n.billing_period = $1 and n.is_current and not exists (
        select 1 from snapshot_days as s where s.snapshot_id = n.snapshot_id and s.usage_date = d.usage_date::date
    )
order by 1
