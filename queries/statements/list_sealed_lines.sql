-- The lines of a statement in their order, as they were sealed.
-- $1 statement
select
    bill_group, column_name, department, pool, person, model, project, currency, billed, amount, lines, tokens
from statement_lines
where statement_id = $1
order by line
