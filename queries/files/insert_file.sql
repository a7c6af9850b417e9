-- Keeps a file.
-- $1 statement, $2 kind, $3 series, $4 file name, $5 content, $6 slips, $7 SHA-256, $8 by, $9 at
insert into exported_files (statement_id, kind, series, file_name, content, slips, sha256, made_by, made_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (statement_id, kind) do nothing
