-- A new version of the rules.
-- $1 by, $2 at
insert into allocation_versions (imported_by, imported_at)
values ($1, $2)
returning allocation_version
