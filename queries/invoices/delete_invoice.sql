-- Takes an invoice out of the register, to be recorded again.
-- $1 id
delete from invoices
where invoice_id = $1
