-- What a job found before.
-- $1 job
delete from job_findings where job = $1
