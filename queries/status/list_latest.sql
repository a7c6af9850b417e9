-- How far the loaded months of a range reach: the month's oldest delivery and nearest last day over its sources.
-- $1 first billing period, $2 last billing period (exclusive)
-- Index: snapshots_current.
select billing_period, min(delivered_at) as "delivered_at!", min(last_day) as last_day
from snapshots
where is_current and billing_period >= $1 and billing_period < $2
group by billing_period
order by billing_period
