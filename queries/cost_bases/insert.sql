-- $1 payer, $2 first month, $3 basis, $4 who, $5 when
insert into cost_bases (payer, valid_from, basis, set_by, set_at)
values ($1, $2, $3, $4, $5)
