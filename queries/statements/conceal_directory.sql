-- Puts digests in place of a directory's names.
-- $1 version, $2 contents, $3 key
update sealed_directories
set contents = $2, name_key = $3
where directory_version = $1
