-- Adds the meters that are not known yet.
-- $1 digests, $2 the other columns, one JSON array a meter in the order below
insert into meters (
    digest, product_code, product_family, product_name, product_provider, product_model, inference_type, feature, usage_type,
    operation, region_code, unit, region, line_kind, provider, family, version, model, token_kind, cache_ttl, route, tier, context
)
select
    t.digest, m.v ->> 0, m.v ->> 1, m.v ->> 2, m.v ->> 3, m.v ->> 4, m.v ->> 5, m.v ->> 6, m.v ->> 7, m.v ->> 8, m.v ->> 9,
    m.v ->> 10, m.v ->> 11, m.v ->> 12, m.v ->> 13, m.v ->> 14, m.v ->> 15, m.v ->> 16, m.v ->> 17, m.v ->> 18, m.v ->> 19,
    m.v ->> 20, m.v ->> 21
from unnest($1::bytea[], $2::text[]) as t (digest, parts)
cross join lateral (select t.parts::jsonb as v) as m
order by t.digest
on conflict do nothing
