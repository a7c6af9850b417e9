-- What a job found before, of the sources that it has now examined, and what it finds again.
-- $1 job, $2 sources, null for all; $3 codes and $4 subjects of what is found now
delete from job_findings
where
    job = $1
    and (
        $2::text[] is null
        or source = any ($2)
        or (code, subject) in (select f.code, f.subject from unnest($3::text[], $4::text[]) as f (code, subject))
    )
