-- Deliveries whose files were summed a second way, and how many sums differed.

create table recounts (
    snapshot_id integer primary key references snapshots on delete cascade,
    recounted_at timestamptz not null,
    differences integer not null
);
