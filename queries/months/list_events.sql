-- The steps of a month, in their order.
-- $1 billing period
-- Index: month_events_period.
select e.from_state, e.to_state, e.statement_id, s.version as "version?", e.reason, e.done_by, e.done_at
from month_events as e
left join statements as s using (statement_id)
where e.billing_period = $1
order by e.event_id
