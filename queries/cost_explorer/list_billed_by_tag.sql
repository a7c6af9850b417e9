-- Usage of the loaded bill per day and value of a tag; the empty value is what has none.
-- $1 payer, $2 first day, $3 tag with its prefix
select c.usage_date, coalesce(t.tags ->> $3, '') as "label!", sum(c.cost) as "cost!"
from charges as c
inner join accounts as a on a.account_key = c.payer_key
inner join tag_sets as t using (tag_set_key)
inner join bill_sections as b using (section_key)
where a.account = $1 and c.billing_period >= date_trunc('month', $2::date) and b.charge_type = 'Usage'
group by c.usage_date, 2
