-- Two legal entities give the same numbers to slips of their own: a slip is posted in the books of one.  The file that it came from is
-- what a later version takes back.
alter table posted_slips add column legal_entity text not null default '';
alter table posted_slips add column file_id integer references exported_files;
alter table posted_slips drop constraint posted_slips_pkey;
alter table posted_slips add primary key (statement_id, legal_entity, slip);
