-- A month's use of an account by model and route with the people behind it, the dearest first.
-- $1 billing period, $2 account
select
    coalesce(m.model, 'other') as "model!",
    coalesce(m.route, 'none') as "route!",
    count(distinct o.person) as "people!",
    sum(c.cost) as "cost!"
from charges as c
inner join accounts as a using (account_key)
inner join bill_sections as b using (section_key)
inner join meters as m using (meter_key)
inner join attributions as o using (attribution_key)
where c.billing_period = $1 and a.account = $2 and b.charge_class = 'usage' and b.currency = 'USD'
group by m.model, m.route
order by sum(c.cost) desc, m.model, m.route
