-- Groups of line items behind a department's, or a person's, own usage of a month, the dearest first.
-- $1 billing period, $2 department or null, $3 person or null, $4 limit
-- Index: charges_attribution.
select
    c.usage_date,
    p.arn as "arn?",
    m.usage_type,
    m.model,
    m.unit,
    b.currency,
    b.invoice,
    a.rule,
    a.person_rule,
    sum(c.lines)::bigint as "lines!",
    sum(c.quantity) as "quantity!",
    sum(c.cost) as "cost!",
    count(*) over () as "groups!",
    (sum(sum(c.cost)) over ()) as "whole!"
from charges as c
inner join attributions as a using (attribution_key)
inner join bill_sections as b using (section_key)
inner join meters as m using (meter_key)
left join principals as p using (principal_key)
where
    c.billing_period = $1
    and b.charge_class = 'usage'
    and ($2::text is null or a.department = $2)
    and ($3::text is null or a.person = $3)
    and a.state = 'attributed'
group by c.usage_date, p.arn, m.usage_type, m.model, m.unit, b.currency, b.invoice, a.rule, a.person_rule
order by sum(c.cost) desc, c.usage_date, p.arn, m.usage_type
limit $4
