-- Deliveries that were refused, of the months in a range.
-- $1 first billing period, $2 last billing period (exclusive)
select s.name as source, r.billing_period, r.refused_at, r.message
from refusals as r
inner join sources as s using (source_id)
where r.billing_period >= $1 and r.billing_period < $2
order by r.billing_period desc, s.name
