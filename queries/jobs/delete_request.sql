-- The wish is granted by the run that begins; by whom it was.
-- $1 job
delete from job_requests where job = $1
returning requested_by
