-- The id of a source by its name; a source keeps its id when its location changes.
-- $1 name, $2 location
insert into sources (name, location)
values ($1, $2)
on conflict (name) do update set location = excluded.location
returning source_id
