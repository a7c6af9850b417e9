-- Locked months before a month, with whether a delivery or an invoice came after they were sealed.
-- $1 billing period (exclusive)
select
    m.billing_period,
    m.statement_id as "statement_id!",
    (
        (select array_agg(d.snapshot_id order by d.snapshot_id) from statement_deliveries as d where d.statement_id = m.statement_id)
        is distinct from
        (select array_agg(n.snapshot_id order by n.snapshot_id) from snapshots as n where n.billing_period = m.billing_period and n.is_current)
        or exists (select from invoices as i where i.billing_period = m.billing_period and i.recorded_at > s.sealed_at)
    ) as "is_restated!"
from month_states as m
inner join statements as s on s.statement_id = m.statement_id
where m.state = 'locked' and m.billing_period < $1
order by m.billing_period
