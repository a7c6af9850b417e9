-- Invoices of a month, or all of them.
-- $1 billing period, null for all
-- Index: invoices_period.
select
    invoice_id, payer, seller, registration_number, kind, corrects, issue_date, billing_period, currency, net_usd, net_jpy,
    treatment, file_name, file_sha256, printed_rate
from invoices
where $1::date is null or billing_period = $1
order by billing_period, issue_date, invoice_id
