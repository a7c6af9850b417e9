//! The integration tests: one binary, real PostgreSQL, real HTTP, the real program.

mod api;
mod cli;
mod dashboards;
mod docs;
mod exports;
mod loads;
mod make_cur;
mod support;
mod tidy;
