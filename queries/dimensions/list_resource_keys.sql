-- $1 digests
select digest, resource_key as key
from resources
where digest = any($1::bytea[])
