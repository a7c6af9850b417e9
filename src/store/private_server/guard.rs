//! The guard: the small process that holds the server.
//!
//! It starts PostgreSQL as its child (or adopts one that a crash left), waits for the lock that it can only have when no
//! program uses the server any more, and then stops the server.  On Linux PostgreSQL also ends when the guard is killed.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::server_user::ServerUser;
use super::{Layout, PrivateServerError, accepts_connections};

/// Runs until no program uses the server of `data_folder`.  `durability` is `full` or `none`.
pub fn run_guard(data_folder: &Path, binaries: &Path, durability: &str) -> Result<(), PrivateServerError> {
    let layout = Layout::of(data_folder)?;
    let guarding = layout.lock_file("guard.lock")?;
    guarding.lock()?;
    let _ = fs::remove_file(layout.root.join("guard.failed"));
    let user = ServerUser::find()?;
    let child = if accepts_connections(&layout) {
        None
    } else {
        Some(spawn(&layout, binaries, durability, user)?)
    };
    let server = Server {
        child,
        layout: &layout,
        binaries,
        user,
    };
    server.end_with_last_user()
}

struct Server<'l> {
    child: Option<Child>,
    layout: &'l Layout,
    binaries: &'l Path,
    user: ServerUser,
}

impl Server<'_> {
    fn end_with_last_user(mut self) -> Result<(), PrivateServerError> {
        let users = self.layout.lock_file("users.lock")?;
        loop {
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                let log = fs::read_to_string(self.layout.root.join("postgres.log")).unwrap_or_default();
                let last = log
                    .lines()
                    .rev()
                    .find(|line| line.contains("FATAL") || line.contains("PANIC"))
                    .unwrap_or("");
                fs::write(
                    self.layout.root.join("guard.failed"),
                    format!("it ended with {status}: {last}"),
                )?;
                return Ok(());
            }
            if users.try_lock().is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let mut stop = Command::new(self.binaries.join(format!("pg_ctl{}", std::env::consts::EXE_SUFFIX)));
        stop.args(["stop", "--mode=fast", "--silent", "-D"])
            .arg(&self.layout.cluster);
        stop.current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.user.run_as(&mut stop);
        stop.status()?;
        if let Some(child) = &mut self.child {
            child.wait()?;
        }
        Ok(())
    }
}

fn spawn(layout: &Layout, binaries: &Path, durability: &str, user: ServerUser) -> Result<Child, PrivateServerError> {
    let log = File::create(layout.root.join("postgres.log"))?;
    let mut command = Command::new(binaries.join(format!("postgres{}", std::env::consts::EXE_SUFFIX)));
    command.arg("-D").arg(&layout.cluster);
    let socket_folder = layout.socket_folder.to_string_lossy().into_owned();
    let mut settings = vec![
        format!("unix_socket_directories={socket_folder}"),
        "listen_addresses=".to_owned(),
        "port=5432".to_owned(),
        "max_connections=100".to_owned(),
        // A load fills a table that it made itself in the same transaction: with this level its rows are not logged twice.
        "wal_level=minimal".to_owned(),
        "max_wal_senders=0".to_owned(),
        "max_wal_size=2GB".to_owned(),
        "shared_buffers=256MB".to_owned(),
        "maintenance_work_mem=128MB".to_owned(),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
        "jit=off".to_owned(),
    ];
    if durability == "none" {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
    }
    #[cfg(windows)]
    settings.retain(|setting| !setting.starts_with("unix_socket"));
    for setting in settings {
        command.args(["-c", &setting]);
    }
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    user.run_as(&mut command);
    end_with_parent(&mut command);
    Ok(command.spawn()?)
}

/// Linux: the kernel interrupts the server (a fast, clean stop) when the guard dies, however it dies.
#[cfg(target_os = "linux")]
#[expect(
    unsafe_code,
    reason = "prctl between fork and exec has no safe form; it allocates nothing and takes no lock"
)]
fn end_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let set_signal = || match unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGINT) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    };
    unsafe {
        command.process_group(0).pre_exec(set_signal);
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
fn end_with_parent(command: &mut Command) {
    std::os::unix::process::CommandExt::process_group(command, 0);
}

#[cfg(not(unix))]
fn end_with_parent(_: &mut Command) {}
