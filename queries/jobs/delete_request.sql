-- The wish is granted by the run that begins.
-- $1 job
delete from job_requests where job = $1
