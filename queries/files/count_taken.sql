-- How often files of a series were taken.
-- $1 statement, $2 series
select count(*) as "taken!"
from file_downloads
inner join exported_files as f using (file_id)
where f.statement_id = $1 and f.series = $2
