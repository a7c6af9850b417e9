-- Sealed directories hold digests in place of names; the key is another for each, and in no file that is handed out.
-- Those from before hold names until the migration that follows in the program has sealed them again.
alter table sealed_directories add column name_key bytea;
