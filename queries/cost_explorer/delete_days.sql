-- Days that are about to be written anew, with their totals.
-- $1 payer, $2 kind, $3 first day, $4 day after the last
delete from cost_explorer_days where payer = $1 and kind = $2 and usage_date >= $3 and usage_date < $4
