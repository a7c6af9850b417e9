-- Keeps the directory as it is now under its version.
-- $1 version, $2 contents, $3 key
insert into sealed_directories (directory_version, contents, name_key)
values ($1, $2, $3)
