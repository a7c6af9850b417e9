-- The directory as it was sealed.
-- $1 version
select contents, name_key
from sealed_directories
where directory_version = $1 and name_key is not null
