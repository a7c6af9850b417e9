-- Quarantined principals of a month about whom the latest question is overdue.
-- $1 billing period, $2 today
select count(*) as "overdue!"
from (
    select distinct on (arn) arn, remind_on
    from principal_questions
    order by arn, question_id desc
) as q
where q.remind_on <= $2 and exists (
    select 1
    from charges as c
    inner join principals as p using (principal_key)
    inner join attributions as a using (attribution_key)
    where c.billing_period = $1 and a.state = 'quarantined' and p.arn = q.arn
)
