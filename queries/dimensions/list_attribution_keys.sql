-- $1 digests
select digest, attribution_key as key
from attributions
where digest = any($1::bytea[])
