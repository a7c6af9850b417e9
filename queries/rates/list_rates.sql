-- Rates that count: of each kind and day the one that was set last.
select distinct on (kind, rate_date) kind, rate_date, value, source, set_by, set_at
from rates
order by kind, rate_date, rate_id desc
