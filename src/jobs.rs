//! Work with an end: take over the directory, load what is new.  Imports domain, sources, store, config and clock.

pub mod import_directory;
pub mod load_export;
