-- Says that the company's books hold a slip of a statement's journal.
-- $1 statement, $2 slip, $3 by, $4 at
insert into posted_slips (statement_id, slip, posted_by, posted_at)
values ($1, $2, $3, $4)
on conflict do nothing
