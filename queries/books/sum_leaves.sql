-- Attributed usage of a month per bill, department and person; per model and project too where these are asked for.
-- $1 billing period, $2 whether models and projects are
-- Index: person_model_months_period.
select
    payer,
    seller,
    invoice,
    currency,
    department as "department!",
    person,
    case when $2 then model end as model,
    case when $2 then project end as project,
    sum(lines)::bigint as "lines!",
    sum(tokens)::bigint as "tokens!",
    sum(cost) as "cost!"
from person_model_months
where billing_period = $1 and state = 'attributed'
group by payer, seller, invoice, currency, department, person, 7, 8
