-- Principals with usage in a month, by decision, the dearest first.
-- $1 billing period, $2 state or null for all, $3 limit, $4 how many to pass over
select
    p.arn as "arn?",
    a.state,
    a.reason,
    a.department,
    a.person,
    a.rule,
    b.currency,
    sum(c.lines)::bigint as "lines!",
    sum(c.cost) as "cost!"
from charges as c
inner join bill_sections as b using (section_key)
inner join attributions as a using (attribution_key)
left join principals as p using (principal_key)
where c.billing_period = $1 and b.charge_class = 'usage' and ($2::text is null or a.state = $2)
group by p.arn, a.state, a.reason, a.department, a.person, a.rule, b.currency
order by sum(c.cost) desc, p.arn, a.state, a.department, a.person
limit $3 offset $4
