-- Forecasts for dashboards: what was foreseen of the company's use, and what came of months that are final.
create view report.forecast as
select
    f.billing_period as month,
    f.day_of_month,
    f.scope,
    f.code,
    f.expected,
    f.low,
    f.high,
    case when m.state in ('final', 'locked') then (
        select coalesce(sum(d.cost), 0)
        from department_days as d
        where
            d.billing_period = f.billing_period and d.charge_class = 'usage' and d.currency = 'USD'
            and (f.scope = 'company' or d.department = f.code)
    ) end as actual
from kept_forecasts as f
left join month_states as m on m.billing_period = f.billing_period;
