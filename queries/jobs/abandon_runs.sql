-- Ends the runs of a job that nobody is running any more; the caller holds the job's lock.
-- $1 job, $2 now
-- Index: job_runs_job.
update job_runs
set status = 'abandoned', finished_at = $2, retry_at = $2, error = 'its process ended before it did'
where job = $1 and status = 'running'
