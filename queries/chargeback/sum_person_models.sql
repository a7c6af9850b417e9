-- One person's month per model.
-- $1 person, $2 billing period
-- Index: person_model_months_person.
select
    department as "department!",
    model,
    currency,
    sum(lines)::bigint as "lines!",
    sum(tokens)::bigint as "tokens!",
    sum(cost) as "cost!"
from person_model_months
where person = $1 and billing_period = $2
group by department, model, currency
order by sum(cost) desc
