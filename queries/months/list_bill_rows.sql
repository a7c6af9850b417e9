-- What bills are made of: Bedrock's lines and those of other services, by account, product and charge type.
-- $1 billing period, $2 payers on the net basis: their net column, without discount lines, $3 payers, $4 sellers, $5 invoices ('' for
-- none), each of one bill
-- Index: department_months_period, left_out_totals_period.
with bills as (
    select * from unnest($3::text[], $4::text[], $5::text[]) as b (payer, seller, invoice)
),

own as (
    select
        false as is_other, m.account, m.product_code, m.charge_type, m.lines,
        case when m.payer = any($2) then m.net_cost else m.cost end as cost
    from department_months as m
    inner join bills as b on b.payer = m.payer and b.seller = m.seller and b.invoice = coalesce(m.invoice, '')
    where m.billing_period = $1 and not (m.payer = any($2) and m.charge_class = 'discount')
),

others as (
    select
        true as is_other, a.account, null::text as product_code, s.charge_type, t.lines,
        case when p.account = any($2) then t.net_cost else t.cost end as cost
    from left_out_totals as t
    inner join accounts as p on p.account_key = t.payer_key
    inner join accounts as a on a.account_key = t.account_key
    inner join bill_sections as s using (section_key)
    inner join bills as b on b.payer = p.account and b.seller = coalesce(s.seller, '') and b.invoice = coalesce(s.invoice, '')
    where t.billing_period = $1 and not (p.account = any($2) and s.charge_class = 'discount')
)

select
    is_other as "is_other!",
    coalesce(account, '') as "account!",
    coalesce(product_code, '') as "product!",
    charge_type as "charge_type!",
    sum(lines)::bigint as "lines!",
    sum(cost) as "cost!"
from (select * from own union all select * from others) as rows
group by is_other, account, product_code, charge_type
order by is_other, abs(sum(cost)) desc, account, product_code, charge_type
