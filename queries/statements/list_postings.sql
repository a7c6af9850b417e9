-- A statement by bill group, column and holder.
-- $1 statement
select
    bill_group, column_name, department, pool, currency, sum(billed) as "billed!", sum(amount) as "amount!",
    sum(lines)::bigint as "lines!", sum(tokens)::bigint as "tokens!"
from statement_lines
where statement_id = $1
group by bill_group, column_name, department, pool, currency
order by bill_group, column_name, department, pool
