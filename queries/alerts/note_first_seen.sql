-- Notes principals, models, regions and products that were not there before; which they are.
-- $1 now
insert into first_seen (kind, code, seen_at)
select each.kind, each.code, $1
from (
    select 'principal' as kind, arn as code from principals
    union
    select 'model', model from meters where model is not null and line_kind = 'tokens'
    union
    select 'region', region from meters where region is not null
    union
    select 'product', product_code from meters where product_code is not null
) as each
on conflict do nothing
returning kind, code
