-- What other months' current statements have taken over of locked ones.
-- $1 the month that is not looked at
select l.bill_group, l.department, l.pool as "pool!", l.statement_id, l.billed, l.amount
from statement_lines as l
inner join month_states as m on m.statement_id = l.statement_id and m.state <> 'open'
where l.column_name = 'adjustments' and l.pool is not null and m.billing_period <> $1
