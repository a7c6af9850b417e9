-- Whether anything was ever noted: the first look is the baseline.
select exists (select from first_seen) as "has!"
