-- Forgets whose figures an opaque id is.
-- $1 person
delete from opaque_people
where person_id = $1
