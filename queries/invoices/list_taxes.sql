-- Taxes of the invoices of a month, or of all.
-- $1 billing period, null for all
select t.invoice_id, t.rate, t.tax_usd, t.tax_jpy
from invoice_taxes as t
inner join invoices as i using (invoice_id)
where $1::date is null or i.billing_period = $1
order by t.invoice_id, t.rate
