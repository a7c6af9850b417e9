-- What the loaded bill says per day and product of a payer, from a day on.
-- $1 payer, $2 first day
-- A product code has one name: lines that do not name it (credits, tax) go by those that do.
with named as (
    select product_code, min(product_name) as product_name
    from meters
    where product_name is not null and product_code is not null
    group by product_code
)

select
    c.usage_date,
    m.product_code,
    coalesce(m.product_name, n.product_name) as product_name,
    b.charge_type,
    b.currency,
    sum(c.cost) as "cost!"
from charges as c
inner join accounts as a on a.account_key = c.payer_key
inner join meters as m using (meter_key)
inner join bill_sections as b using (section_key)
left join named as n on n.product_code = m.product_code
where a.account = $1 and c.billing_period >= date_trunc('month', $2::date)
group by c.usage_date, m.product_code, 3, b.charge_type, b.currency
