-- Attributed usage of a month per bill, department, person and project.
-- $1 billing period, $2 payers on the net basis: their net column, without discount lines
-- Index: person_months_period.
select
    payer,
    seller,
    invoice,
    currency,
    department,
    person,
    project,
    sum(lines)::bigint as "lines!",
    sum(tokens)::bigint as "tokens!",
    sum(case when payer = any($2) then net_cost else cost end) as "cost!"
from person_months
where billing_period = $1
group by payer, seller, invoice, currency, department, person, project
