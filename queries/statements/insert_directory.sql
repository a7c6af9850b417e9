-- Keeps the directory as it is now under its version.
-- $1 version, $2 contents
insert into sealed_directories (directory_version, contents)
values ($1, $2)
on conflict do nothing
