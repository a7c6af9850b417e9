-- Who used most of it in a month.
-- $1 billing period, $2 departments or null for all, $3 project, $4 person, $5 family, each null for all, $6 how many
-- Index: person_model_months_period.
select person as "person!", sum(cost) as "cost!"
from person_model_months
where
    billing_period = $1 and currency = 'USD' and state = 'attributed' and person is not null
    and ($2::text[] is null or department = any($2))
    and ($3::text is null or project = $3)
    and ($4::text is null or person = $4)
    and ($5::text is null or family = $5)
group by person
order by sum(cost) desc, person
limit $6
