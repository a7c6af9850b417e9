-- Adds the inference profiles that are not known yet.
-- $1 digests, $2 resources
insert into resources (digest, resource)
select t.digest, t.resource
from unnest($1::bytea[], $2::text[]) as t (digest, resource)
order by t.digest
on conflict do nothing
