-- The digest that the chain of seals ends with: of a statement or of a lock, the one that none comes after.
select seal.digest as "digest!"
from (
    select digest from statements
    union all
    select digest from month_locks
) as seal
where not exists (select from statements where previous_digest = seal.digest)
    and not exists (select from month_locks where previous_digest = seal.digest)
