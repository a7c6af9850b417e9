-- Records one tax rate of an invoice.
-- $1 invoice, $2 rate, $3 tax in dollars, $4 tax in yen
insert into invoice_taxes (invoice_id, rate, tax_usd, tax_jpy)
values ($1, $2, $3, $4)
