-- Approves a dispute.
-- $1 origin, $2 from, $3 to, $4 yen, $5 reason, $6 by, $7 at
insert into reclasses (origin_period, from_department, to_department, jpy, reason, approved_by, approved_at)
values ($1, $2, $3, $4, $5, $6, $7)
returning reclass_id
