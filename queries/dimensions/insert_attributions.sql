-- Adds the decisions that are not known yet.
-- $1 digests, $2 the other columns, one JSON array a decision in the order below
insert into attributions (digest, state, reason, department, person, project, rule, person_rule)
select t.digest, m.v ->> 0, m.v ->> 1, m.v ->> 2, m.v ->> 3, m.v ->> 4, m.v ->> 5, m.v ->> 6
from unnest($1::bytea[], $2::text[]) as t (digest, parts)
cross join lateral (select t.parts::jsonb as v) as m
order by t.digest
on conflict do nothing
