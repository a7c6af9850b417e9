-- Keeps a file.
-- $1 statement, $2 kind, $3 series, $4 file name, $5 content, $6 SHA-256, $7 by, $8 at
insert into exported_files (statement_id, kind, series, file_name, content, sha256, made_by, made_at)
values ($1, $2, $3, $4, $5, $6, $7, $8)
on conflict (statement_id, kind) do nothing
