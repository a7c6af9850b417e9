-- What pages and API answer of a source's month, by each of the roll-ups that they read: Bedrock's charges by the day and by
-- the month, and its usage by person and model.
-- $1 billing period, $2 source name
-- Index: department_days_period, department_months_period, person_model_months_period.
with source as (
    select source_id from sources where name = $2
)

select
    'department_days' as "roll_up!",
    usage_date,
    charge_type as "charge_type!",
    currency as "currency!",
    sum(lines)::bigint as "lines!",
    sum(cost) as "cost!"
from department_days
inner join source using (source_id)
where billing_period = $1
group by usage_date, charge_type, currency

union all

select 'department_months', null::date, charge_type, currency, sum(lines)::bigint, sum(cost)
from department_months
inner join source using (source_id)
where billing_period = $1
group by charge_type, currency

union all

select 'person_model_months', null::date, 'Usage', currency, sum(lines)::bigint, sum(cost)
from person_model_months
inner join source using (source_id)
where billing_period = $1
group by currency
