-- Gives people an id for statements.
-- $1 people, $2 ids
insert into opaque_people (person_id, opaque_id)
select * from unnest($1::text[], $2::uuid[])
on conflict (person_id) do nothing
