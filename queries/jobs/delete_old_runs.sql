-- Runs that nobody will ask for: older than a month and not among a job's last hundred, and never the last one that was done.
-- $1 job, $2 older than
-- Index: job_runs_job.
delete from job_runs
where
    job = $1
    and started_at < $2
    and run_id not in (select r.run_id from job_runs as r where r.job = $1 order by r.run_id desc limit 100)
    and run_id not in (
        select r.run_id from job_runs as r where r.job = $1 and r.status = 'done' order by r.run_id desc limit 1
    )
