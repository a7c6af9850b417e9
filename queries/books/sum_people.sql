-- Attributed usage of a month per bill, department and person.
-- $1 billing period
-- Index: person_months_period.
select
    payer,
    seller,
    invoice,
    currency,
    department,
    person,
    sum(lines)::bigint as "lines!",
    sum(tokens)::bigint as "tokens!",
    sum(cost) as "cost!"
from person_months
where billing_period = $1
group by payer, seller, invoice, currency, department, person
