//! Where the programs of PostgreSQL are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PrivateServerError;

/// PostgreSQL of one major version, by the folder of its programs.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    folder: PathBuf,
    major: u32,
}

/// The oldest major version whose SQL anbun uses.
const OLDEST_MAJOR: u32 = 14;

impl Binaries {
    /// The newest installed version, or the one that an existing cluster needs; fetched where none is installed.
    pub(super) fn for_cluster(cluster: &Path, data_folder: &Path) -> Result<Self, PrivateServerError> {
        let mut found: Vec<Self> = candidate_folders(data_folder)
            .into_iter()
            .filter_map(Self::at)
            .collect();
        found.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
        if found.is_empty() {
            found.push(fetch(data_folder)?);
        }
        let Ok(version) = fs::read_to_string(cluster.join("PG_VERSION")) else {
            return Ok(found.swap_remove(0));
        };
        let needed: Option<u32> = version.trim().parse().ok();
        let available: Vec<String> = found.iter().map(|b| b.major.to_string()).collect();
        found
            .into_iter()
            .find(|b| Some(b.major) == needed)
            .ok_or_else(|| PrivateServerError::OtherMajorVersion {
                data: cluster.to_path_buf(),
                found: version.trim().to_owned(),
                available: available.join(", "),
            })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }

    fn at(folder: PathBuf) -> Option<Self> {
        let this = Self { folder, major: 0 };
        if !this.program("initdb").is_file() {
            return None;
        }
        let output = Command::new(this.program("postgres")).arg("--version").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let number = text
            .split_whitespace()
            .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        let major = number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
        (major >= OLDEST_MAJOR).then_some(Self { major, ..this })
    }
}

/// Folders where systems keep PostgreSQL, and what `pg_config` says.
fn candidate_folders(data_folder: &Path) -> Vec<PathBuf> {
    let mut folders = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        folders.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    let parents: [(&str, &str); 8] = [
        ("/usr/lib/postgresql", "bin"),
        ("/usr", "bin"),
        ("/usr/pgsql", "bin"),
        ("/opt/homebrew/opt", "bin"),
        ("/usr/local/opt", "bin"),
        ("/Applications/Postgres.app/Contents/Versions", "bin"),
        ("C:\\Program Files\\PostgreSQL", "bin"),
        ("/opt/postgresql", "bin"),
    ];
    for (parent, bin) in parents {
        let children = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let of_postgresql = children.filter(|path| {
            let name = path
                .file_name()
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default();
            parent == "/usr/lib/postgresql"
                || name.starts_with("pgsql-")
                || name.starts_with("postgresql")
                || name.starts_with(|c: char| c.is_ascii_digit())
        });
        folders.extend(of_postgresql.map(|path| path.join(bin)));
    }
    let fetched = fs::read_dir(fetched_folder(data_folder))
        .into_iter()
        .flatten()
        .flatten();
    folders.extend(fetched.map(|entry| entry.path().join("bin")));
    folders.sort();
    folders.dedup();
    folders
}

fn fetched_folder(data_folder: &Path) -> PathBuf {
    data_folder.join("postgresql-binaries")
}

/// Fetches PostgreSQL once, where the machine has the internet.
fn fetch(data_folder: &Path) -> Result<Binaries, PrivateServerError> {
    let failed = |e: String| PrivateServerError::NoBinaries(e);
    let scratch = data_folder.join("postgresql-fetch");
    fs::create_dir_all(&scratch)?;
    // A folder that looks initialised keeps the crate from making a cluster of its own.
    fs::write(scratch.join("postgresql.conf"), "")?;
    let settings = postgresql_embedded::Settings {
        installation_dir: fetched_folder(data_folder),
        data_dir: scratch.clone(),
        ..postgresql_embedded::Settings::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let installed = std::thread::scope(|scope| {
        scope
            .spawn(|| {
                runtime.block_on(async {
                    let mut server = postgresql_embedded::PostgreSQL::new(settings);
                    server
                        .setup()
                        .await
                        .map(|()| server.settings().binary_dir())
                        .map_err(|e| e.to_string())
                })
            })
            .join()
    });
    let _ = fs::remove_dir_all(&scratch);
    let folder = installed
        .map_err(|_| failed("the download failed".to_owned()))?
        .map_err(failed)?;
    Binaries::at(folder).ok_or_else(|| failed("what was fetched does not run here".to_owned()))
}
