-- Days that were asked of a payer.
-- $1 payer
select kind, usage_date, is_estimated, fetched_at from cost_explorer_days where payer = $1
