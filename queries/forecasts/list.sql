-- Forecasts with what came, which is told once the month is final; the newest first.
-- $1 billing period or null for all, $2 whether departments are among them, $3 how many
-- Index: department_days_period.
select
    f.scope, f.code, f.billing_period, f.day_of_month, f.made_at, f.data_as_of, f.method, f.expected, f.low, f.high,
    case when m.state in ('final', 'locked') then (
        select coalesce(sum(d.cost), 0)
        from department_days as d
        where
            d.billing_period = f.billing_period and d.charge_class = 'usage' and d.currency = 'USD'
            and (f.scope = 'company' or d.department = f.code)
    ) end as actual
from kept_forecasts as f
left join month_states as m on m.billing_period = f.billing_period
where ($1::date is null or f.billing_period = $1) and ($2 or f.scope = 'company')
order by f.billing_period desc, f.day_of_month, f.scope, f.code
limit $3
