-- $1 digests
select digest, tag_set_key as key
from tag_sets
where digest = any($1::bytea[])
