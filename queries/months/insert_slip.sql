-- Says that the company's books hold a slip of a statement's journal.
-- $1 statement, $2 slip, $3 by, $4 at, $5 legal entity, $6 the file that it came from
insert into posted_slips (statement_id, slip, posted_by, posted_at, legal_entity, file_id)
values ($1, $2, $3, $4, $5, $6)
on conflict do nothing
