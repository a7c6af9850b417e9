-- Findings of what is loaded for the months in a range, the gravest first, then by the money on them.
-- $1 first billing period, $2 last billing period (exclusive)
select
    n.billing_period,
    s.name as source,
    f.code,
    f.severity,
    f.subject,
    f.message,
    f.action,
    f.amount,
    f.currency,
    f.lines
from findings as f
inner join snapshots as n using (snapshot_id)
inner join sources as s using (source_id)
where n.is_current and n.billing_period >= $1 and n.billing_period < $2
order by
    case f.severity when 'error' then 0 when 'warning' then 1 else 2 end,
    abs(coalesce(f.amount, 0)) desc,
    f.finding_id
limit 5000
