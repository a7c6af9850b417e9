-- Who approved a locked month, sealed into the same chain as the statements.  A statement is older than its approval and says
-- nothing of it; months that were locked before this table have their approver in `month_events` only.
create table month_locks (
    statement_id integer primary key references statements,
    -- Canonical JSON.
    record text not null,
    digest text not null unique,
    -- Of the seal before, whatever its month.
    previous_digest text
);
