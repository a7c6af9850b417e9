-- A delivery that was refused for what is in it would be refused again: its digest (with the program's version) says so.  A
-- refresh that is under way is no refusal; it only lasts.

alter table refusals add column digest text;
alter table refusals add column is_waiting boolean not null default false;
