-- What is stored of a source's month, Bedrock or not: one row a day, charge type and currency, and for Bedrock's charges
-- one a product too.
-- $1 billing period, $2 source name
with source as (
    select source_id from sources where name = $2
),

bedrock as (
    select c.usage_date, coalesce(m.product_code, '') as product_code, m.product_name, b.charge_type, b.currency, c.lines, c.cost
    from charges as c
    inner join source using (source_id)
    inner join meters as m using (meter_key)
    inner join bill_sections as b using (section_key)
    where c.billing_period = $1
),

every_line as (
    select usage_date, charge_type, currency, lines, cost from bedrock

    union all

    select t.usage_date, b.charge_type, b.currency, t.lines, t.cost
    from left_out_totals as t
    inner join source using (source_id)
    inner join bill_sections as b using (section_key)
    where t.billing_period = $1
)

select
    usage_date as "usage_date!",
    null::text as product_code,
    null::text as product_name,
    charge_type as "charge_type!",
    currency as "currency!",
    sum(lines)::bigint as "lines!",
    sum(cost) as "cost!"
from every_line
group by usage_date, charge_type, currency

union all

select usage_date, product_code, max(product_name), charge_type, currency, sum(lines)::bigint, sum(cost)
from bedrock
group by usage_date, product_code, charge_type, currency
