-- Months that are loaded of each payer, and when their delivery was made.
select p.payer, n.billing_period, max(n.delivered_at) as "delivered_at!"
from snapshot_payers as p
inner join snapshots as n using (snapshot_id)
where n.is_current
group by p.payer, n.billing_period
order by p.payer, n.billing_period
