-- Principal tags of a payer as they were last seen.
-- $1 payer
select tag_key, status, last_used, checked_at from cost_allocation_tags where payer = $1 order by tag_key
