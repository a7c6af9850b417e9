-- A file that was made of a statement, and how often it was taken.
-- $1 statement, $2 kind
select
    f.file_id, f.file_name, f.content, f.sha256,
    (select count(*) from file_downloads as d where d.file_id = f.file_id) as "taken!"
from exported_files as f
where f.statement_id = $1 and f.kind = $2
