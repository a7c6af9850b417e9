-- Records an invoice; returns nothing where it is there already.
-- $1 id, $2 payer, $3 seller, $4 registration number, $5 kind, $6 corrects, $7 issue date, $8 billing period, $9 currency,
-- $10 net in dollars, $11 net in yen, $12 treatment, $13 file name, $14 file digest, $15 by, $16 at, $17 printed rate
insert into invoices (
    invoice_id, payer, seller, registration_number, kind, corrects, issue_date, billing_period, currency, net_usd, net_jpy,
    treatment, file_name, file_sha256, recorded_by, recorded_at, printed_rate
)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
on conflict (invoice_id) do nothing
returning invoice_id
