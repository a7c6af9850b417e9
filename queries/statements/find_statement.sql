-- A statement by its id.
-- $1 statement
select
    statement_id, billing_period, version, state, sealed_at, prepared_by, directory_version, allocation_version, head,
    total_jpy, digest, previous_digest
from statements
where statement_id = $1
