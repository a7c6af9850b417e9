-- Attributed usage of a month per bill, department, person, model and project.
-- $1 billing period
-- Index: person_model_months_period.
select
    payer,
    seller,
    invoice,
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
group by payer, seller, invoice, currency, department, person, model, project
