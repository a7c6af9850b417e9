//! anbun turns the Amazon Bedrock part of an AWS bill into a department chargeback that adds up to the invoice.
//!
//! Direction of imports, inside out: `domain` <- `sources`, `store` <- `jobs` <- `cli`, and `domain`, `store` <- `http`
//! <- `api`, `web` <- `cli`.  See docs/ARCHITECTURE.md.

pub mod domain;
pub mod sources;
