//! How programs reach the private server.
//!
//! On Unix a socket in a folder that only the server's user can enter: there is no port that anybody else could try, so
//! no password is needed.  Where the drivers have no such sockets (Windows) loopback with a password from a file that only
//! this user can read.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

use super::server_user::ServerUser;
use super::{PrivateServerError, SUPERUSER};

/// `sun_path` holds 108 bytes, and PostgreSQL appends `/.s.PGSQL.5432`.
const SOCKET_FOLDER_BYTES_MAX: usize = 90;
const SOCKET_PORT: u16 = 5432;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    Socket,
    Loopback,
}

impl Transport {
    /// What the system's drivers can do.
    pub const fn native() -> Self {
        if cfg!(unix) { Self::Socket } else { Self::Loopback }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Loopback => "loopback",
        }
    }
}

impl FromStr for Transport {
    type Err = PrivateServerError;

    fn from_str(text: &str) -> Result<Self, PrivateServerError> {
        let known = [Self::Socket, Self::Loopback]
            .into_iter()
            .find(|transport| transport.as_str() == text);
        known.ok_or_else(|| PrivateServerError::NotStarted(format!("'{text}' is no transport")))
    }
}

/// The address of a data folder's server.
#[derive(Debug, Clone)]
pub(super) enum Endpoint {
    Socket { folder: PathBuf },
    Loopback { port_file: PathBuf, password_file: PathBuf },
}

impl Endpoint {
    pub(super) fn of(root: &Path, transport: Transport) -> Self {
        match transport {
            Transport::Socket => Self::Socket {
                folder: socket_folder(root),
            },
            Transport::Loopback => Self::Loopback {
                port_file: root.join("port"),
                password_file: root.join("password"),
            },
        }
    }

    /// Whether something listens there.
    pub(super) fn answers(&self) -> bool {
        match self {
            Self::Socket { folder } => ServerUser::find().is_ok_and(|user| user.owns(folder)) && socket_answers(folder),
            Self::Loopback { port_file, .. } => read_port(port_file).is_some_and(|port| {
                TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), Duration::from_secs(1))
                    .is_ok()
            }),
        }
    }

    pub(super) fn connect_options(&self, database: &str) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .username(SUPERUSER)
            .database(database);
        match self {
            Self::Socket { folder } => options.socket(folder).port(SOCKET_PORT),
            Self::Loopback {
                port_file,
                password_file,
            } => options
                .host("127.0.0.1")
                .port(read_port(port_file).unwrap_or(SOCKET_PORT))
                .password(fs::read_to_string(password_file).unwrap_or_default().trim()),
        }
    }

    /// Makes what a server needs before it can listen.
    pub(super) fn prepare(&self, user: ServerUser) -> Result<(), PrivateServerError> {
        match self {
            Self::Socket { folder } => match fs::create_dir(folder) {
                Ok(()) => user.own(folder)?,
                Err(_) if user.owns(folder) => {}
                Err(error) => {
                    return Err(PrivateServerError::Folder {
                        path: folder.clone(),
                        what: format!("the socket's folder is not the server's own: {error}; remove it"),
                    });
                }
            },
            Self::Loopback {
                port_file,
                password_file,
            } => {
                let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
                fs::write(port_file, port.to_string())?;
                if !password_file.exists() {
                    fs::write(password_file, "")?;
                    user.own(password_file)?;
                    fs::write(password_file, uuid::Uuid::new_v4().simple().to_string())?;
                }
            }
        }
        Ok(())
    }

    /// Arguments of `initdb` that say who may come in.
    pub(super) fn authentication(&self, command: &mut Command) {
        match self {
            Self::Socket { .. } => command.args(["-A", "trust"]),
            Self::Loopback { password_file, .. } => {
                let mut argument = std::ffi::OsString::from("--pwfile=");
                argument.push(password_file);
                command.args(["-A", "scram-sha-256"]).arg(argument)
            }
        };
    }

    pub(super) fn server_settings(&self) -> Vec<String> {
        match self {
            Self::Socket { folder } => vec![
                format!("unix_socket_directories={}", folder.to_string_lossy()),
                "listen_addresses=".to_owned(),
                format!("port={SOCKET_PORT}"),
            ],
            Self::Loopback { port_file, .. } => vec![
                "unix_socket_directories=".to_owned(),
                "listen_addresses=127.0.0.1".to_owned(),
                format!("port={}", read_port(port_file).unwrap_or(SOCKET_PORT)),
            ],
        }
    }

    /// In words, for errors.
    pub(super) fn place(&self) -> String {
        match self {
            Self::Socket { folder } => folder.display().to_string(),
            Self::Loopback { port_file, .. } => format!("127.0.0.1:{}", read_port(port_file).unwrap_or(SOCKET_PORT)),
        }
    }
}

fn read_port(port_file: &Path) -> Option<u16> {
    fs::read_to_string(port_file).ok()?.trim().parse().ok()
}

fn socket_folder(root: &Path) -> PathBuf {
    let beside = root.join("socket");
    if beside.as_os_str().len() <= SOCKET_FOLDER_BYTES_MAX {
        return beside;
    }
    use sha2::{Digest, Sha256};
    let hash = Sha256::digest(root.as_os_str().as_encoded_bytes());
    let short: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    std::env::temp_dir().join(format!("anbun-{short}"))
}

#[cfg(unix)]
fn socket_answers(folder: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(folder.join(format!(".s.PGSQL.{SOCKET_PORT}"))).is_ok()
}

#[cfg(not(unix))]
fn socket_answers(_: &Path) -> bool {
    false
}
