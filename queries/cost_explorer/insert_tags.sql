-- Principal tags and whether they are active; one that AWS never saw is 'NeverSeen'.
-- $1 payer, $2 keys, $3 states, $4 last use, $5 now
insert into cost_allocation_tags (payer, tag_key, status, last_used, checked_at)
select $1, t.tag_key, t.status, t.last_used, $5
from unnest($2::text[], $3::text[], $4::date[]) as t (tag_key, status, last_used)
