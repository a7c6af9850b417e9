-- The tags of a principal on the last day of use in a month up to a day, the dearest set of that day.
-- $1 billing period, $2 ARN, $3 day
select c.usage_date, t.tags
from charges as c
inner join principals as p using (principal_key)
inner join tag_sets as t using (tag_set_key)
where c.billing_period = $1 and p.arn = $2 and c.usage_date <= $3
group by c.usage_date, t.tag_set_key, t.tags
order by c.usage_date desc, sum(c.cost) desc, t.tag_set_key
limit 1
