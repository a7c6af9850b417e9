-- Keeps a file.
-- $1 statement, $2 kind, $3 file name, $4 content, $5 SHA-256, $6 by, $7 at
insert into exported_files (statement_id, kind, file_name, content, sha256, made_by, made_at)
values ($1, $2, $3, $4, $5, $6, $7)
on conflict (statement_id, kind) do nothing
