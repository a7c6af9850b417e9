//! What stands in for AWS: moto where it knows the operation, small servers of our own for what it does not.

pub(crate) mod billing;
pub(crate) mod bucket;
pub(crate) mod moto;
pub(crate) mod slack;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::support::{PROGRAM, scratch};
use anbun::store::database::Database;

/// The program with settings, credentials and a database of its own, as a user runs it.
pub(crate) struct Installation {
    pub database: Database,
    url: String,
    folder: PathBuf,
    /// Where S3 is, for exports whose settings do not say so.
    pub s3: Option<String>,
}

impl Installation {
    pub(crate) async fn new(name: &str) -> Self {
        let database = crate::support::database().await;
        let database_name: String = sqlx::query_scalar("select current_database()")
            .fetch_one(&database.pool)
            .await
            .unwrap();
        let socket = crate::support::cluster().join("socket");
        Self {
            url: format!("postgres://anbun@localhost/{database_name}?host={}", socket.display()),
            folder: scratch(name),
            s3: None,
            database,
        }
    }

    pub(crate) fn settings_file(&self) -> PathBuf {
        self.folder.join("anbun.toml")
    }

    pub(crate) fn settings(&self, toml: &str) -> &Self {
        std::fs::write(self.settings_file(), toml).unwrap();
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        // A shell's own AWS settings must not leak into a test.
        for variable in [
            "AWS_PROFILE",
            "AWS_SESSION_TOKEN",
            "AWS_ENDPOINT_URL",
            "ANBUN_CONFIG",
            "HTTP_PROXY",
            "http_proxy",
        ] {
            command.env_remove(variable);
        }
        command
            .arg("--data-dir")
            .arg(&self.folder)
            .arg("--config")
            .arg(self.settings_file())
            .args(arguments)
            .env("ANBUN__DATABASE__URL", &self.url)
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_CONFIG_FILE", self.folder.join("no-aws-config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.folder.join("no-aws-credentials"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .current_dir(std::env::temp_dir());
        if let Some(endpoint) = &self.s3 {
            command.env("AWS_ENDPOINT_URL_S3", endpoint);
        }
        command
    }

    /// Runs the program; the runtime goes on serving what it asks for.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output())
            .await
            .unwrap()
            .unwrap()
    }
}

/// A server of an installation; it is killed with this.
pub(crate) struct Serving {
    process: Child,
    pub address: String,
    errors: Option<std::thread::JoinHandle<String>>,
}

impl Serving {
    /// Starts it and waits until it listens.
    pub(crate) async fn start(installation: &Installation) -> Self {
        let mut command = installation.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        tokio::task::spawn_blocking(move || {
            let mut process = command.spawn().unwrap();
            let mut lines = BufReader::new(process.stderr.take().unwrap()).lines();
            let mut before = String::new();
            let address = loop {
                let line = lines
                    .next()
                    .unwrap_or_else(|| panic!("the server ended: {before}"))
                    .unwrap();
                match line.strip_prefix("anbun serves ") {
                    Some(address) => break address.trim_end_matches('/').to_owned(),
                    None => before.push_str(&line),
                }
            };
            // Whoever does not read the rest would block the server when the pipe is full.
            let errors = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
            Self {
                process,
                address,
                errors: Some(errors),
            }
        })
        .await
        .unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Asks it to stop; how long that took, and what it said.
    pub(crate) async fn stop(mut self) -> (Duration, String) {
        let asked = std::time::Instant::now();
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        while self.process.try_wait().unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        (asked.elapsed(), self.errors.take().unwrap().join().unwrap())
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let answer = reqwest::get(format!("{}{path}", self.address)).await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    pub(crate) async fn post(&self, path: &str) -> (u16, String) {
        let sent = reqwest::Client::new()
            .post(format!("{}{path}", self.address))
            .send()
            .await
            .unwrap();
        (sent.status().as_u16(), sent.text().await.unwrap())
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Waits until something holds, for half a minute at most.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came to be that {what}");
}

/// Files below a folder by their path in it, with `/` between the parts.
pub(crate) fn files_below(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let inside = path
                    .strip_prefix(folder)
                    .unwrap()
                    .display()
                    .to_string()
                    .replace('\\', "/");
                found.push((inside, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    found
}
