-- Cost bases that count: of each payer and first month the one that was set last.
select distinct on (payer, valid_from) payer, valid_from, basis, set_by
from cost_bases
order by payer, valid_from, cost_basis_id desc
