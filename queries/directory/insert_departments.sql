-- One array a column.
insert into departments (code, name, name_ja, parent_code, cost_center, legal_entity, successor_code, valid_from, valid_to)
select *
from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[], $9::date[])
