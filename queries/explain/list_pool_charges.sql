-- Groups of line items of a month that are nobody's own usage, by bill, the largest amount first: what pools are made of.
-- $1 billing period, $2 limit
select
    c.usage_date,
    p.arn as "arn?",
    m.usage_type,
    m.model,
    m.unit,
    b.currency,
    b.invoice,
    b.charge_type,
    b.description,
    a.reason,
    sum(c.lines)::bigint as "lines!",
    sum(c.quantity) as "quantity!",
    sum(c.cost) as "cost!",
    count(*) over () as "groups!"
from charges as c
inner join attributions as a using (attribution_key)
inner join bill_sections as b using (section_key)
inner join meters as m using (meter_key)
left join principals as p using (principal_key)
where c.billing_period = $1 and (b.charge_class <> 'usage' or a.state <> 'attributed')
group by c.usage_date, p.arn, m.usage_type, m.model, m.unit, b.currency, b.invoice, b.charge_type, b.description, a.reason
order by abs(sum(c.cost)) desc, c.usage_date, b.charge_type, p.arn, m.usage_type
limit $2
