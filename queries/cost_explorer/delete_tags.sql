-- The tags of a payer, before those of today are written.
-- $1 payer
delete from cost_allocation_tags where payer = $1
