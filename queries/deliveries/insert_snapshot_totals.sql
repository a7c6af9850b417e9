-- Totals of a delivery per charge type and currency, Bedrock and the rest apart.
-- $1 snapshot, then one array a column
insert into snapshot_totals (snapshot_id, is_bedrock, charge_type, currency, lines, cost, net_cost)
select $1, t.is_bedrock, t.charge_type, t.currency, t.lines, t.cost, t.net_cost
from unnest($2::boolean[], $3::text[], $4::text[], $5::bigint[], $6::numeric[], $7::numeric[])
    as t (is_bedrock, charge_type, currency, lines, cost, net_cost)
