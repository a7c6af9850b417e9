-- Whether a version is kept.
-- $1 version
select exists (select 1 from sealed_directories where directory_version = $1) as "is_kept!"
