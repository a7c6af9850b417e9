-- Usage in dollars of every delivered day from one on, by who has it; the last delivered day of each source with it.
-- $1 billing period, $2 first day, $3 payers on the net basis
-- Reads the charges of a month; asked only while days are missing.
select
    n.last_day as "last_day!",
    c.usage_date,
    p.account as payer,
    coalesce(s.seller, '') as "seller!",
    o.department,
    o.reason,
    sum(case when p.account = any($3) then c.net_cost else c.cost end) as "cost!"
from charges as c
inner join snapshots as n on n.source_id = c.source_id and n.billing_period = c.billing_period and n.is_current
inner join accounts as p on p.account_key = c.payer_key
inner join bill_sections as s on s.section_key = c.section_key
inner join attributions as o on o.attribution_key = c.attribution_key
where c.billing_period = $1 and c.usage_date >= $2 and s.charge_class = 'usage' and s.currency = 'USD' and n.last_day is not null
group by n.last_day, c.usage_date, p.account, coalesce(s.seller, ''), o.department, o.reason
