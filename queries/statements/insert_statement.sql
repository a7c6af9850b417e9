-- Seals a statement.
-- $1 billing period, $2 version, $3 state, $4 at, $5 by, $6 directory version, $7 allocation version, $8 head, $9 total,
-- $10 digest, $11 digest before
insert into statements (
    billing_period, version, state, sealed_at, prepared_by, directory_version, allocation_version, head, total_jpy, digest,
    previous_digest
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
returning statement_id
