-- $1 billing period, $2 source, $3 days, $4 costs
insert into late_hours (billing_period, source_id, usage_date, cost)
select $1, $2, d.usage_date, d.cost
from unnest($3::date[], $4::numeric[]) as d (usage_date, cost)
