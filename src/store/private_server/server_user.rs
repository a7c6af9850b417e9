//! Who the server runs as: the user who runs anbun, but never root.

use std::path::Path;
use std::process::Command;

use super::PrivateServerError;

/// The unprivileged user that PostgreSQL runs as when anbun is root; nobody else's business otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct ServerUser {
    #[cfg(unix)]
    other: Option<(u32, u32)>,
}

#[cfg(unix)]
impl ServerUser {
    pub(super) fn find() -> Result<Self, PrivateServerError> {
        use std::os::unix::fs::MetadataExt;
        // The owner of our own process entry tells who we are without a call into C.
        let is_root = std::fs::metadata("/proc/self").map_or_else(
            |_| std::env::var_os("HOME").is_some_and(|h| h == "/root"),
            |m| m.uid() == 0,
        );
        if !is_root {
            return Ok(Self { other: None });
        }
        let passwd = std::fs::read_to_string("/etc/passwd")?;
        let ids_of = |name: &str| {
            let line = passwd.lines().find(|line| line.split(':').next() == Some(name))?;
            let mut fields = line.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        match ids_of("postgres").or_else(|| ids_of("nobody")) {
            Some(ids) => Ok(Self { other: Some(ids) }),
            None => Err(PrivateServerError::NotStarted(
                "as root it needs a user 'postgres' or 'nobody' to run as; create one or run anbun as another user"
                    .to_owned(),
            )),
        }
    }

    pub(super) fn run_as(self, command: &mut Command) {
        use std::os::unix::process::CommandExt;
        if let Some((uid, gid)) = self.other {
            command.uid(uid).gid(gid);
        }
    }

    /// Gives a folder to the server's user and closes it to everybody else.
    pub(super) fn own(self, folder: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        if let Some((uid, gid)) = self.other {
            std::os::unix::fs::chown(folder, Some(uid), Some(gid))?;
        }
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))
    }

    /// Whether a folder is the server user's own and closed to everybody else: one that somebody else has prepared under a
    /// name that can be foreseen is neither.
    pub(super) fn owns(self, folder: &Path) -> bool {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let expected = self
            .other
            .map(|(uid, _)| uid)
            .or_else(|| std::fs::metadata("/proc/self").ok().map(|m| m.uid()));
        std::fs::symlink_metadata(folder).is_ok_and(|found| {
            found.is_dir() && found.permissions().mode() & 0o077 == 0 && expected.is_none_or(|uid| uid == found.uid())
        })
    }

    /// The server's user must be able to pass every folder above its own.
    pub(super) fn check_reachable(self, folder: &Path) -> Result<(), PrivateServerError> {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let Some((uid, _)) = self.other else { return Ok(()) };
        for above in folder.ancestors() {
            let properties = std::fs::metadata(above)?;
            if properties.uid() != uid && properties.permissions().mode() & 0o001 == 0 {
                return Err(PrivateServerError::Folder {
                    path: above.to_path_buf(),
                    what: "PostgreSQL, which never runs as root, cannot pass this folder; choose another data folder with --data-dir, such as /var/lib/anbun".to_owned(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(not(unix))]
impl ServerUser {
    pub(super) fn find() -> Result<Self, PrivateServerError> {
        Ok(Self {})
    }

    pub(super) fn run_as(self, _: &mut Command) {}

    pub(super) fn own(self, _: &Path) -> std::io::Result<()> {
        Ok(())
    }

    pub(super) fn owns(self, _: &Path) -> bool {
        true
    }

    pub(super) fn check_reachable(self, _: &Path) -> Result<(), PrivateServerError> {
        Ok(())
    }
}
