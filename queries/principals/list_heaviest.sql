-- The person with the largest attributed cost in each account of a month.
-- $1 billing period
select distinct on (a.account) a.account, o.person as "person!"
from charges as c
inner join accounts as a on a.account_key = c.account_key
inner join attributions as o on o.attribution_key = c.attribution_key
where c.billing_period = $1 and o.state = 'attributed' and o.person is not null
group by a.account, o.person
order by a.account, sum(c.cost) desc, o.person
