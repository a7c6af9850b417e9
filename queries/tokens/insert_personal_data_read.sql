-- Notes who looked at figures of people.  The note is committed without waiting for the disk: a reader does not wait for it,
-- and only a power cut within the next second can lose it.
-- $1 when, $2 who, $3 what was asked
insert into personal_data_reads (read_at, actor, question)
select $1, $2, $3
from (select set_config('synchronous_commit', 'off', true)) as setting
