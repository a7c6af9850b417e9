-- Of each month's usage what is attributed, for doctor.
select
    billing_period,
    currency,
    coalesce(sum(cost) filter (where state = 'attributed'), 0) as "attributed!",
    coalesce(sum(cost), 0) as "total!"
from department_months
where charge_class = 'usage'
group by billing_period, currency
order by billing_period desc
limit 24
