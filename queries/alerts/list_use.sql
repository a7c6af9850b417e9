-- A month's attributed use by everything that drives a budget.
-- $1 billing period
-- Index: person_model_months_period.
select
    department as "department!",
    person,
    project,
    family,
    coalesce(model, 'other') as "model!",
    coalesce(route, 'none') as "route!",
    sum(cost) as "cost!"
from person_model_months
where billing_period = $1 and currency = 'USD' and state = 'attributed'
group by department, person, project, family, model, route
