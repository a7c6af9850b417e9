-- Seals a lock.
-- $1 statement, $2 record, $3 digest, $4 digest before
insert into month_locks (statement_id, record, digest, previous_digest)
values ($1, $2, $3, $4)
