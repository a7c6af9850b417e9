-- Whose opaque ids are known.
-- $1 opaque ids
select opaque_id, person_id
from opaque_people
where opaque_id = any($1)
