-- The rate that an invoice prints: evidence of its yen, and a check of what was typed.
alter table invoices add column printed_rate numeric check (printed_rate > 0);
