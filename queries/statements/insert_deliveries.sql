-- The deliveries that a statement rests on.
-- $1 statement, $2 snapshots
insert into statement_deliveries (statement_id, snapshot_id)
select $1, unnest($2::integer[])
