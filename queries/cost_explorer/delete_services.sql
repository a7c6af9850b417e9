-- The services of a payer, before those of today are written.
-- $1 payer
delete from cost_explorer_services where payer = $1
