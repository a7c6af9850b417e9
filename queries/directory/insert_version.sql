-- One import.  $1 when, $2 by whom, $3 what it changed
insert into directory_versions (imported_at, imported_by, changes)
values ($1, $2, $3)
returning directory_version
