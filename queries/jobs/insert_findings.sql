-- What a job's run found.
insert into job_findings (
    job, billing_period, source, code, severity, subject, message, action, amount, currency, lines, noticed_at
)
select $1, f.billing_period, f.source, f.code, f.severity, f.subject, f.message, f.action, f.amount, f.currency, f.lines, $12
from unnest(
    $2::date[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::numeric[], $10::text[], $11::bigint[]
) as f (billing_period, source, code, severity, subject, message, action, amount, currency, lines)
