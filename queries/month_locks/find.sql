-- The lock of a statement.
-- $1 statement
select record, digest, previous_digest
from month_locks
where statement_id = $1
