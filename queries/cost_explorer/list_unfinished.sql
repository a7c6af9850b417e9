-- Questions whose pages were not all fetched, the newest first.
-- $1 payer, $2 kind
select window_from, window_to, next_page_token, totals
from cost_explorer_unfinished
where payer = $1 and kind = $2
order by window_from desc
