-- Gives usage to its new owners.
-- $1 billing period, $2 source, $3 principals (-1 is none), $4 tag sets, $5 first days, $6 ends, $7 attributions
update charges as c
set attribution_key = n.attribution_key
from
    unnest($3::integer[], $4::integer[], $5::date[], $6::date[], $7::integer[])
    as n (principal_key, tag_set_key, begins, ends, attribution_key)
where
    c.billing_period = $1
    and c.source_id = $2
    and coalesce(c.principal_key, -1) = n.principal_key
    and c.tag_set_key = n.tag_set_key
    and c.usage_date >= n.begins
    and c.usage_date < n.ends
    and c.attribution_key <> n.attribution_key
    and c.section_key in (select s.section_key from bill_sections as s where s.charge_class = 'usage')
