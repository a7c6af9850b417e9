-- Every statement of a month, the oldest first.
-- $1 billing period
select
    statement_id, billing_period, version, state, sealed_at, prepared_by, directory_version, allocation_version, head,
    total_jpy, digest, previous_digest
from statements
where billing_period = $1
order by version
