//! The guard: the small process that holds the server.
//!
//! It starts PostgreSQL as its child (or adopts one that a crash left), waits for the lock that it can only have when no
//! program uses the server any more, and then stops the server.  On Linux PostgreSQL also ends when the guard is killed.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::server_user::ServerUser;
use super::{Layout, PrivateServerError, accepts_connections};

/// A server that is still stopping holds the cluster for a moment; this long a new one tries again.
const TAKEOVER_SECONDS_MAX: u64 = 30;

/// A fast stop takes a fraction of a second; one that takes this long is stuck.
const STOP_SECONDS_MAX: u64 = 60;

/// Runs until no program uses the server of `data_folder`.  `durability` is `full` or `none`.
pub fn run_guard(
    data_folder: &Path,
    binaries: &Path,
    durability: &str,
    transport: &str,
) -> Result<(), PrivateServerError> {
    let layout = Layout::of(data_folder, transport.parse()?)?;
    let guarding = layout.lock_file("guard.lock")?;
    guarding.lock()?;
    // Nobody reads this process's own words: whoever waits for the server reads the file.
    hold_server(&layout, binaries, durability).inspect_err(|error| {
        let _ = fs::write(layout.failure(), error.to_string());
    })
}

fn hold_server(layout: &Layout, binaries: &Path, durability: &str) -> Result<(), PrivateServerError> {
    let user = ServerUser::find()?;
    let mut server = Server {
        child: None,
        layout,
        binaries,
        durability,
        user,
    };
    let started = Instant::now();
    let users = layout.lock_file("users.lock")?;
    while users.try_lock().is_err() {
        if server.is_running()? || accepts_connections(layout) {
            std::thread::sleep(Duration::from_millis(50));
        } else if server.child.is_none() {
            server.child = Some(spawn(layout, binaries, durability, user)?);
        } else if server.was_in_the_way()? && started.elapsed() < Duration::from_secs(TAKEOVER_SECONDS_MAX) {
            server.child = None;
            std::thread::sleep(Duration::from_millis(100));
        } else {
            fs::write(layout.failure(), server.last_words()?)?;
            return Ok(());
        }
    }
    server.stop()
}

/// The server, as a child or adopted from a crash.
struct Server<'l> {
    child: Option<Child>,
    layout: &'l Layout,
    binaries: &'l Path,
    durability: &'l str,
    user: ServerUser,
}

impl Server<'_> {
    fn is_running(&mut self) -> Result<bool, PrivateServerError> {
        Ok(match &mut self.child {
            Some(child) => child.try_wait()?.is_none(),
            None => false,
        })
    }

    fn last_words(&self) -> Result<String, PrivateServerError> {
        let log = fs::read_to_string(self.layout.root.join("postgres.log"))?;
        let last = log
            .lines()
            .rev()
            .find(|line| line.contains("FATAL") || line.contains("PANIC"));
        Ok(last
            .or_else(|| log.lines().last())
            .unwrap_or("it said nothing")
            .to_owned())
    }

    fn was_in_the_way(&self) -> Result<bool, PrivateServerError> {
        let words = self.last_words()?;
        Ok(words.contains("already exists") || words.contains("is another postmaster"))
    }

    /// Stops the server and waits until it is gone.
    ///
    /// One that was only just started has no pid file yet and cannot be told to stop; so it is told again until it has
    /// heard it, and after a while ended.
    fn stop(mut self) -> Result<(), PrivateServerError> {
        let started = Instant::now();
        loop {
            self.ask_to_stop()?;
            let is_gone = match &mut self.child {
                Some(child) => child.try_wait()?.is_some(),
                None => !accepts_connections(self.layout),
            };
            if is_gone {
                return Ok(());
            }
            if started.elapsed() > Duration::from_secs(STOP_SECONDS_MAX) {
                return self
                    .child
                    .as_mut()
                    .map_or(Ok(()), |child| child.kill().and_then(|()| child.wait().map(drop)))
                    .map_err(Into::into);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ask_to_stop(&self) -> Result<(), PrivateServerError> {
        let mut stop = Command::new(self.binaries.join(format!("pg_ctl{}", std::env::consts::EXE_SUFFIX)));
        // What will not be used again, a test's cluster above all, need not be flushed.
        let mode = if self.durability == "full" {
            "--mode=fast"
        } else {
            "--mode=immediate"
        };
        stop.args(["stop", mode, "--silent", "--timeout=5", "-D"])
            .arg(&self.layout.cluster);
        stop.current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.user.run_as(&mut stop);
        stop.status()?;
        Ok(())
    }
}

fn spawn(layout: &Layout, binaries: &Path, durability: &str, user: ServerUser) -> Result<Child, PrivateServerError> {
    let log = File::create(layout.root.join("postgres.log"))?;
    let mut command = Command::new(binaries.join(format!("postgres{}", std::env::consts::EXE_SUFFIX)));
    command.arg("-D").arg(&layout.cluster);
    let mut settings = layout.endpoint.server_settings();
    let tuning = [
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
    settings.extend(tuning);
    if durability == "none" {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
    }
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
