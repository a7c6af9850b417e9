-- Slips of a statement that the company's books hold.
-- $1 statement
select slip, legal_entity, file_id
from posted_slips
where statement_id = $1
order by slip, legal_entity
