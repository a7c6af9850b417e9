//! Work with an end: load what is new.  Imports domain, sources, store, config and clock.

pub mod load_export;
