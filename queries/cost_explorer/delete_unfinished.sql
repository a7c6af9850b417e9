-- The question is answered, or its page token is worth nothing any more.
-- $1 payer, $2 kind, $3 first day, $4 day after the last
delete from cost_explorer_unfinished where payer = $1 and kind = $2 and window_from = $3 and window_to = $4
