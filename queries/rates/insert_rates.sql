-- Records rates.
-- $1 kinds, $2 dates, $3 values, $4 sources, $5 by, $6 at
insert into rates (kind, rate_date, value, source, set_by, set_at)
select r.kind, r.rate_date, r.value, r.source, $5, $6
from unnest($1::text[], $2::date[], $3::numeric[], $4::text[]) as r (kind, rate_date, value, source)
