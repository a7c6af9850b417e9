-- The question is answered, or its page token is worth nothing any more.
-- $1 payer, $2 kind
delete from cost_explorer_unfinished where payer = $1 and kind = $2
