-- $1 when, $2 who, $3 what was asked
insert into personal_data_reads (read_at, actor, question)
values ($1, $2, $3)
