-- Months that are loaded of each payer.
select distinct p.payer, n.billing_period
from snapshot_payers as p
inner join snapshots as n using (snapshot_id)
where n.is_current
order by p.payer, n.billing_period
