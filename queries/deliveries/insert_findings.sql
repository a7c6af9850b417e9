-- What a reader of a delivery's figures must know.
-- $1 snapshot, then one array a column
insert into findings (snapshot_id, code, severity, subject, message, action, amount, currency, lines)
select $1, t.code, t.severity, t.subject, t.message, t.action, t.amount, t.currency, t.lines
from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::numeric[], $8::text[], $9::bigint[])
    as t (code, severity, subject, message, action, amount, currency, lines)
