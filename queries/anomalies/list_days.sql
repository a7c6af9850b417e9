-- Use by the day of what had a dear day lately.
-- $1 first billing period, $2 first day, $3 end (exclusive), $4 lately (first day), $5 how dear
-- Index: department_days_period, usage_days_period.
with days as (
    select 'department' as scope, department as code, usage_date, sum(cost) as cost
    from department_days
    where
        billing_period >= $1 and usage_date >= $2 and usage_date < $3 and charge_class = 'usage' and currency = 'USD'
        and department is not null
    group by department, usage_date
    union all
    select scope, code, usage_date, sum(cost)
    from usage_days
    where
        billing_period >= $1 and usage_date >= $2 and usage_date < $3 and currency = 'USD'
        and scope in ('project', 'person', 'model')
    group by scope, code, usage_date
),

dear as (
    select scope, code from days where usage_date >= $4 and cost >= $5 group by scope, code
)

select d.scope as "scope!", d.code as "code!", d.usage_date as "usage_date!", d.cost as "cost!"
from days as d
inner join dear using (scope, code)
