-- The ids of people in statements.
-- $1 people
select person_id, opaque_id
from opaque_people
where person_id = any($1)
