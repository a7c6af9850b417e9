-- The lines of a statement in their order, with the people that can still be named.
-- $1 statement
select
    l.bill_group, l.column_name, l.department, l.pool, l.person, o.person_id as "person_id?", l.model, l.project, l.currency,
    l.billed, l.amount, l.lines, l.tokens
from statement_lines as l
left join opaque_people as o on o.opaque_id = l.person
where l.statement_id = $1
order by l.line
