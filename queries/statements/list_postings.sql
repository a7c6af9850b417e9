-- A statement by bill group, column and holder.
-- $1 statement
select bill_group, column_name, department, pool, currency, billed, amount, lines, tokens
from statement_postings
where statement_id = $1
order by posting
