-- The departments of a statement: what each is charged, to whom it was sent, and its last answer.
-- $1 statement
select
    p.department as "department!",
    p.amount as "amount!",
    s.person_id as "person_id?",
    s.sent_by as "sent_by?",
    s.sent_at as "sent_at?",
    a.answer as "answer?",
    a.jpy as "jpy?",
    a.reason as "reason?",
    a.answered_by as "answered_by?",
    a.answered_at as "answered_at?"
from (
    select department, sum(amount) as amount
    from statement_postings
    where statement_id = $1 and department is not null
    group by department
) as p
left join department_statements as s on s.statement_id = $1 and s.department = p.department
left join lateral (
    select answer, jpy, reason, answered_by, answered_at
    from department_answers as d
    where d.statement_id = $1 and d.department = p.department
    order by d.answer_id desc
    limit 1
) as a on true
order by p.department
