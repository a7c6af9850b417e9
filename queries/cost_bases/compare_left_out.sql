-- What the net basis changes of other services' lines of a month, for payers on it.
-- $1 billing period, $2 payers on the net basis
-- Index: left_out_totals_period.
select
    coalesce(sum(t.cost), 0) as "cost!",
    coalesce(sum(t.net_cost) filter (where s.charge_class <> 'discount'), 0) as "net_cost!"
from left_out_totals as t
inner join accounts as p on p.account_key = t.payer_key
inner join bill_sections as s using (section_key)
where t.billing_period = $1 and p.account = any($2)
