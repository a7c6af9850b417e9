-- Session names of a month that belong to exactly one department.
-- $1 billing period
select lower(p.session_name) as "session_name!", min(a.department) as "department!", case when count(distinct a.person) = 1 then min(a.person) end as person
from charges as c
inner join principals as p using (principal_key)
inner join attributions as a using (attribution_key)
where c.billing_period = $1 and a.state = 'attributed' and p.session_name is not null
group by lower(p.session_name)
having count(distinct a.department) = 1
