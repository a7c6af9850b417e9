-- Views for dashboards.  Their columns are a contract; see docs/DASHBOARDS.md.

create schema report;

create view report.department_month as
select
    billing_period as month,
    charge_class,
    currency,
    state,
    reason,
    department,
    sum(lines)::bigint as lines,
    sum(tokens)::bigint as tokens,
    sum(cost) as cost,
    sum(net_cost) as net_cost
from department_months
group by billing_period, charge_class, currency, state, reason, department;

create view report.department_day as
select
    usage_date as day,
    charge_class,
    currency,
    state,
    reason,
    department,
    sum(lines)::bigint as lines,
    sum(tokens)::bigint as tokens,
    sum(cost) as cost,
    sum(net_cost) as net_cost
from department_days
group by usage_date, charge_class, currency, state, reason, department;

-- People are left out on purpose: dashboards are read by many.
create view report.model_month as
select
    billing_period as month,
    currency,
    state,
    department,
    model,
    family,
    token_kind,
    route,
    sum(lines)::bigint as lines,
    sum(tokens)::bigint as tokens,
    sum(cost) as cost
from person_model_months
group by billing_period, currency, state, department, model, family, token_kind, route;

create view report.data_age as
select
    s.name as source,
    n.billing_period as month,
    n.delivered_at,
    n.loaded_at,
    n.first_day,
    n.last_day,
    n.lines_read,
    n.lines_kept,
    count(f.finding_id) filter (where f.severity = 'error') as errors,
    count(f.finding_id) filter (where f.severity = 'warning') as warnings
from snapshots as n
inner join sources as s using (source_id)
left join findings as f using (snapshot_id)
where n.is_current
group by s.name, n.snapshot_id;
