-- Messages go out in the order in which they were written, and a person can send one again that was given up.
alter table outbox add column position bigint generated always as identity;
alter table outbox add column resent_at timestamptz;
