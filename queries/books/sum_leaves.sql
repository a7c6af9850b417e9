-- Attributed usage of a month per bill, department, person, model and project.
-- $1 billing period, $2 payers on the net basis: their net column, without discount lines, $3 departments and $4 people of those
-- that are asked, an empty text for nobody; null: all
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
    sum(case when payer = any($2) then net_cost else cost end) as "cost!"
from person_model_months
where
    billing_period = $1 and state = 'attributed'
    and (
        $3::text[] is null
        or (department, coalesce(person, '')) in (select * from unnest($3::text[], $4::text[]))
    )
group by payer, seller, invoice, currency, department, person, model, project
