-- Attributed usage of a month per department, person, model and project: the leaves of a chargeback.
-- $1 billing period
-- Index: person_model_months_period.
select
    currency,
    department as "department!",
    person,
    model,
    project,
    sum(lines)::bigint as "lines!",
    sum(tokens)::bigint as "tokens!",
    sum(cost) as "cost!"
from person_model_months
where billing_period = $1 and state = 'attributed'
group by currency, department, person, model, project
order by currency, department, person, model, project
