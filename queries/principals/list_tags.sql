-- The sets of tags that principals had in a month, the dearest of each first.
-- $1 billing period, $2 ARNs
select p.arn, t.tags
from charges as c
inner join principals as p using (principal_key)
inner join tag_sets as t using (tag_set_key)
where c.billing_period = $1 and p.arn = any($2::text[]) and t.tags <> '{}'::jsonb
group by p.arn, t.tag_set_key, t.tags
order by p.arn, sum(c.cost) desc, t.tag_set_key
