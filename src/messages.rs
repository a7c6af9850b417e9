//! What leaves anbun for people.  Imports domain only.

pub mod alert_message;
pub mod block_kit;
pub mod delivery;
pub mod mail;
pub mod slack_client;
