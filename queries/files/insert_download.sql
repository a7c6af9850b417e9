-- Notes who took a file.
-- $1 file, $2 by, $3 at
insert into file_downloads (file_id, taken_by, taken_at)
values ($1, $2, $3)
