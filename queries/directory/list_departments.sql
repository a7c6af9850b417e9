-- Every department that is or was valid.
select code, name, name_ja, parent_code, cost_center, legal_entity, successor_code, valid_from, valid_to
from departments
order by code, valid_from
