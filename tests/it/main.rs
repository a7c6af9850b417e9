//! The integration tests: one binary, real PostgreSQL, real HTTP, the real program.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod alerts;
mod api;
mod aws_setup;
mod books;
mod buckets;
mod cli;
mod cost_explorer;
mod dashboards;
mod docs;
mod exports;
mod jobs;
mod loads;
mod make_cur;
mod peers;
mod recounts;
mod support;
mod tidy;
mod traps;
