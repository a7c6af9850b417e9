-- What a reader of the months in a range must know, in one round: findings of what is loaded and of jobs, deliveries that
-- were refused, and months that an older directory attributed; the gravest first, then by the money on them.
-- $1 first billing period, $2 last billing period (exclusive), $3 whether what concerns all open months is among it
-- Index: snapshots_current, findings_snapshot.
with loaded as (
    select n.snapshot_id, n.billing_period, n.directory_version, s.name as source
    from snapshots as n
    inner join sources as s using (source_id)
    where n.is_current and n.billing_period >= $1 and n.billing_period < $2
),

known as (
    select
        n.billing_period, n.source, 'finding' as kind, f.code, f.severity, f.subject, f.message, f.action, f.amount, f.currency,
        f.lines, null::timestamptz as noticed_at
    from findings as f
    inner join loaded as n using (snapshot_id)

    union all

    select
        r.billing_period,
        s.name,
        case when r.is_waiting then 'waiting' else 'refusal' end,
        case when r.is_waiting then 'delivery_awaited' else 'delivery_refused' end,
        case when r.is_waiting and r.refused_at > now() - interval '6 hours' then 'info' else 'error' end,
        s.name, r.message, '', null, null, null, r.refused_at
    from refusals as r
    inner join sources as s using (source_id)
    where r.billing_period >= $1 and r.billing_period < $2

    union all

    select
        n.billing_period, n.source, 'older_directory', 'directory_is_newer', 'warning', n.source, '', '', null, null, null, null
    from loaded as n
    where
        coalesce(n.directory_version, 0) < (select max(v.directory_version) from directory_versions as v)
        and not exists (
            select 1 from month_states as m where m.billing_period = n.billing_period and m.state in ('final', 'locked')
        )

    union all

    select
        j.billing_period, j.source, 'finding', j.code, j.severity, j.subject, j.message, j.action, j.amount, j.currency, j.lines,
        null
    from job_findings as j
    where (j.billing_period >= $1 and j.billing_period < $2) or (j.billing_period is null and $3)

    union all

    -- Messages that nobody takes: one finding for each reason.
    select
        null, '', 'finding',
        case when o.state = 'dead' then 'alerts_not_sent' else 'alerts_wait' end,
        'error',
        o.way || ': ' || o.error_code,
        count(*) || case
            when o.state = 'dead' then ' messages were given up: '
            else ' messages wait and are sent when it is mended: '
        end || max(o.error),
        case
            when o.state = 'dead' then 'mend it (''anbun alerts test'' tries it), then ''anbun alerts resend'' sends them again'
            else 'see docs/RUNBOOK.md, Alerts; ''anbun alerts test'' tries it'
        end,
        null, null, count(*), null
    from outbox as o
    where $3 and o.error_code is not null and (o.state = 'dead' or o.attempts >= 3) and o.created_at > now() - interval '30 days'
    group by o.state, o.way, o.error_code
)

select
    billing_period as "billing_period?",
    source as "source!",
    kind as "kind!",
    code as "code!",
    severity as "severity!",
    subject as "subject!",
    message as "message!",
    action as "action!",
    amount,
    currency,
    lines,
    noticed_at
from known
order by
    case severity when 'error' then 0 when 'warning' then 1 else 2 end,
    abs(coalesce(amount, 0)) desc,
    code,
    subject
limit 5000
