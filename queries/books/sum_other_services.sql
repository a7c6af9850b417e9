-- Lines of other services on a month's bills.
-- $1 billing period
-- Index: left_out_totals_period.
select
    p.account as payer,
    coalesce(s.seller, '') as "seller!",
    s.invoice,
    s.currency,
    s.charge_class = 'tax' as "is_tax!",
    sum(t.lines)::bigint as "lines!",
    sum(t.cost) as "cost!"
from left_out_totals as t
inner join accounts as p on p.account_key = t.payer_key
inner join bill_sections as s using (section_key)
where t.billing_period = $1
group by p.account, s.seller, s.invoice, s.currency, s.charge_class = 'tax'
