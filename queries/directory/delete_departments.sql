-- A file is the whole truth about its table: what it no longer has goes.
delete from departments
