-- The version of the rules that holds.
select max(allocation_version) from allocation_versions
