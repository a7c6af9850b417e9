-- The deliveries that a statement rests on.
-- $1 statement
select snapshot_id from statement_deliveries where statement_id = $1 order by snapshot_id
