-- Episodes that are not over.
select subject, window_from from alerts where kind = 'anomaly' and ended_at is null
