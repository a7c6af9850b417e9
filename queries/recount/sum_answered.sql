-- What pages and API answer of a source's month: Bedrock's charges by the roll-up that they read.
-- $1 billing period, $2 source name
-- Index: department_days_period.
select d.usage_date, d.charge_type, d.currency, sum(d.lines)::bigint as "lines!", sum(d.cost) as "cost!"
from department_days as d
inner join sources as s using (source_id)
where d.billing_period = $1 and s.name = $2
group by d.usage_date, d.charge_type, d.currency
