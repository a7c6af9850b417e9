-- The rules of a version.
-- $1 version
select pool, method, members, fallback, legal_entity, valid_from, valid_to
from allocation_rules
where allocation_version = $1
order by position
