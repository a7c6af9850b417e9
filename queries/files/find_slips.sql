-- What the journal of a statement that was taken last posts.
-- $1 statement, $2 legal entity
-- Index: file_downloads_file.
select f.slips as "slips!"
from file_downloads as d
inner join exported_files as f using (file_id)
where f.statement_id = $1 and f.slips is not null and f.slips ->> 'legal_entity' = $2
order by d.taken_at desc
limit 1
