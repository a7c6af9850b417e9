-- Jobs that somebody asked to run.
select job from job_requests
