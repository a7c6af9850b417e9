-- Use by the day of what is asked for.
-- $1 scopes, $2 codes, $3 first billing period, $4 first day, $5 end (exclusive)
-- Index: usage_days_code.
select u.scope, u.code, u.usage_date, sum(u.cost) as "cost!"
from unnest($1::text[], $2::text[]) as asked (scope, code)
inner join usage_days as u on u.scope = asked.scope and u.code = asked.code
where u.billing_period >= $3 and u.usage_date >= $4 and u.usage_date < $5 and u.currency = 'USD'
group by u.scope, u.code, u.usage_date
