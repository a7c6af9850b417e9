-- The files of a delivery, each as its key, its bytes, and its version: an ETag, or when it was written.
alter table snapshots add column files text[] not null default '{}';
