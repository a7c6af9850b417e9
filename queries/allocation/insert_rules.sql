-- The rules of a version.
-- $1 version, $2 positions, $3 pools, $4 methods, $5 members, $6 fallbacks, $7 legal entities, $8 first months, $9 ends
insert into allocation_rules (allocation_version, position, pool, method, members, fallback, legal_entity, valid_from, valid_to)
select $1, r.*
from
    unnest($2::integer[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[], $9::date[])
    as r (position, pool, method, members, fallback, legal_entity, valid_from, valid_to)
