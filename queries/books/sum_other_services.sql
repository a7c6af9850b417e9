-- Lines of other services on a month's bills.
-- $1 billing period, $2 payers on the net basis: their net column, without discount lines
-- Index: left_out_totals_period.
select
    p.account as payer,
    coalesce(s.seller, '') as "seller!",
    s.invoice,
    s.currency,
    s.charge_class = 'tax' as "is_tax!",
    sum(t.lines)::bigint as "lines!",
    sum(case when p.account = any($2) then t.net_cost else t.cost end) as "cost!"
from left_out_totals as t
inner join accounts as p on p.account_key = t.payer_key
inner join bill_sections as s using (section_key)
where t.billing_period = $1 and not (p.account = any($2) and s.charge_class = 'discount')
group by p.account, s.seller, s.invoice, s.currency, s.charge_class = 'tax'
