//! What leaves anbun for people.  Imports domain only.

pub mod mail;
