-- The id of a source, where it is known.
-- $1 name
select source_id
from sources
where name = $1
