-- $1 who, $2 when
insert into budget_versions (imported_by, imported_at) values ($1, $2)
returning budget_version
