-- Directories that were kept with names, for this transaction alone.
select directory_version, contents
from sealed_directories
where name_key is null
for update
