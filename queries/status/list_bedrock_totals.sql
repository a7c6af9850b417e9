-- Bedrock lines and cost of a month per charge type, over all sources and currencies.
-- $1 billing period
select
    t.charge_type,
    sum(t.lines)::bigint as "lines!",
    sum(t.cost) as "cost!"
from snapshot_totals as t
inner join snapshots as n using (snapshot_id)
where n.is_current and n.billing_period = $1 and t.is_bedrock
group by t.charge_type
order by t.charge_type
