-- The journal of each legal entity that the books hold of a statement, else the one that was taken last.
-- $1 statement
-- Index: file_downloads_file.
select distinct on (f.slips ->> 'legal_entity')
    f.slips ->> 'legal_entity' as "legal_entity!",
    f.file_id,
    f.slips as "slips!"
from exported_files as f
left join file_downloads as d using (file_id)
where f.statement_id = $1 and f.slips is not null
order by
    f.slips ->> 'legal_entity',
    exists (select from posted_slips as p where p.statement_id = $1 and p.file_id = f.file_id) desc,
    d.taken_at desc nulls last
