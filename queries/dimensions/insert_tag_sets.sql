-- Adds the sets of evidence tags that are not known yet.
-- $1 digests, $2 tags as JSON text
insert into tag_sets (digest, tags)
select t.digest, t.tags::jsonb
from unnest($1::bytea[], $2::text[]) as t (digest, tags)
order by t.digest
on conflict do nothing
