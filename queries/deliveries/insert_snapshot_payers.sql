-- The payers that a delivery bills.
-- $1 snapshot, $2 payers
insert into snapshot_payers (snapshot_id, payer)
select $1, t.payer
from unnest($2::text[]) as t (payer)
