-- $1 digests
select digest, section_key as key
from bill_sections
where digest = any($1::bytea[])
