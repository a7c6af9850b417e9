//! What stands in for AWS: moto where it knows the operation, small servers of our own for what it does not.

pub(crate) mod bucket;
pub(crate) mod moto;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{PROGRAM, scratch};
use anbun::store::database::Database;

/// The program with settings, credentials and a database of its own, as a user runs it.
pub(crate) struct Installation {
    pub database: Database,
    url: String,
    folder: PathBuf,
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
