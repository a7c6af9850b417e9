-- $1 digests
select digest, meter_key as key
from meters
where digest = any($1::bytea[])
