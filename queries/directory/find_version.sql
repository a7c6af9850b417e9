-- The newest version of the directory; null before the first import.
select max(directory_version) as version
from directory_versions
