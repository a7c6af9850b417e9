-- The directory as it was sealed.
-- $1 version
select contents from sealed_directories where directory_version = $1
