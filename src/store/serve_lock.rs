//! One server a data folder: a second one would answer from the same books under another address.

use std::fs::{File, OpenOptions};
use std::path::Path;

/// Held as long as the server runs; the operating system gives it back however the server ends.
#[derive(Debug)]
pub struct ServeLock {
    _file: File,
}

impl ServeLock {
    pub fn take(data_folder: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data_folder)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(data_folder.join("serve.lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(_) => anyhow::bail!(
                "another anbun serves the data folder {} already; stop it, or choose another with --data-dir",
                data_folder.display()
            ),
        }
    }
}
