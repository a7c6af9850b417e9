//! anbun turns the Amazon Bedrock part of an AWS bill into a department chargeback that adds up to the invoice.
//!
//! Direction of imports, inside out: `domain` <- `sources`, `store`, `documents` <- `jobs` <- `cli`, and `domain`, `store` <- `http`
//! <- `api`, `web` <- `cli`.  See docs/ARCHITECTURE.md.

pub mod api;
pub mod cli;
pub mod clock;
pub mod config;
pub mod documents;
pub mod domain;
pub mod http;
pub mod jobs;
pub mod messages;
pub mod sample;
pub mod sources;
pub mod store;
pub mod telemetry;
pub mod web;
