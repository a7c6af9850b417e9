-- Adds the sections of bills that are not known yet.
-- $1 digests, $2 the other columns, one JSON array a section in the order below
insert into bill_sections (digest, charge_type, charge_class, bill_type, tax_type, billing_entity, seller, invoice, currency, description)
select
    t.digest, coalesce(m.v ->> 0, ''), m.v ->> 1, m.v ->> 2, m.v ->> 3, m.v ->> 4, m.v ->> 5, m.v ->> 6, coalesce(m.v ->> 7, ''), m.v ->> 8
from unnest($1::bytea[], $2::text[]) as t (digest, parts)
cross join lateral (select t.parts::jsonb as v) as m
order by t.digest
on conflict do nothing
