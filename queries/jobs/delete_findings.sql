-- What a job found before, of the sources that it has now examined.
-- $1 job, $2 sources, null for all
delete from job_findings where job = $1 and ($2::text[] is null or source = any ($2))
