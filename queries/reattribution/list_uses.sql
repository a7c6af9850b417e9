-- Who used, with which tags, in each stretch of days, and for how much.
-- $1 billing period, $2 source, $3 first days of the stretches
select
    c.principal_key,
    p.arn as "arn?",
    c.tag_set_key,
    t.tags,
    s.currency,
    d.begins as "begins!",
    sum(c.lines)::bigint as "lines!",
    sum(c.cost) as "cost!"
from charges as c
inner join bill_sections as s using (section_key)
inner join tag_sets as t using (tag_set_key)
left join principals as p using (principal_key)
cross join lateral (select max(b) as begins from unnest($3::date[]) as b where b <= c.usage_date) as d
where c.billing_period = $1 and c.source_id = $2 and s.charge_class = 'usage'
group by c.principal_key, p.arn, c.tag_set_key, t.tags, s.currency, d.begins
order by c.principal_key, c.tag_set_key, d.begins
