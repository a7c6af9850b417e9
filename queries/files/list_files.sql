-- Every file that was made of a statement.
-- $1 statement
select file_id, file_name, content, sha256
from exported_files
where statement_id = $1
order by file_id
