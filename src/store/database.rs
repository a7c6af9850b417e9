//! Connecting, and keeping the schema at the version that the program knows.

use std::collections::HashSet;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgConnection, PgPool};

use super::private_server::{self, Durability, ServerLease, Transport};
use super::sealed_directories::conceal_plain_directories;
use super::{StoreError, StoreResult};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The oldest server whose SQL anbun uses, as `server_version_num`.
const OLDEST_SERVER: i32 = 140_000;
const CONNECTIONS_MAX: u32 = 16;

/// A pool of connections; where the server is a private one, also the lease that keeps it running.
#[derive(Debug, Clone)]
pub struct Database {
    pub pool: PgPool,
    _lease: Option<std::sync::Arc<ServerLease>>,
}

impl Database {
    /// Connects to the PostgreSQL of a URL.
    pub async fn at_url(url: &str) -> StoreResult<Self> {
        let options = PgConnectOptions::from_str(url).map_err(|source| StoreError::Unreachable {
            place: "[database] url".to_owned(),
            source,
        })?;
        let place = format!("{}:{}", options.get_host(), options.get_port());
        let pool = pool(options)
            .await
            .map_err(|source| StoreError::Unreachable { place, source })?;
        let version: i32 = sqlx::query_scalar("select current_setting('server_version_num')::integer")
            .fetch_one(&pool)
            .await?;
        if version < OLDEST_SERVER {
            return Err(StoreError::OldServer((version / 10_000).to_string()));
        }
        Ok(Self { pool, _lease: None })
    }

    /// Joins or starts the private server of a data folder.  `guard_program` is the `anbun` binary.
    pub async fn private(data_folder: &Path, guard_program: &Path, durability: Durability) -> StoreResult<Self> {
        let (data_folder, guard_program) = (data_folder.to_path_buf(), guard_program.to_path_buf());
        let lease = tokio::task::spawn_blocking(move || {
            private_server::lease(&data_folder, &guard_program, durability, Transport::native())
        })
        .await;
        let lease = lease.map_err(|e| private_server::PrivateServerError::NotStarted(e.to_string()))??;
        Self::on(lease, "anbun").await
    }

    /// A database of a leased server, made on first use.
    pub async fn on(lease: ServerLease, name: &str) -> StoreResult<Self> {
        let unreachable = |source| StoreError::Unreachable {
            place: lease.place(),
            source,
        };
        let mut maintenance = lease.connect_options("postgres").connect().await.map_err(unreachable)?;
        let exists: bool = sqlx::query_scalar("select exists (select 1 from pg_database where datname = $1)")
            .bind(name)
            .fetch_one(&mut maintenance)
            .await?;
        if !exists {
            let create = format!("create database \"{}\"", name.replace('"', ""));
            let created = sqlx::query(sqlx::AssertSqlSafe(create)).execute(&mut maintenance).await;
            // Another program may have made it in the same moment.
            let is_there = |e: &sqlx::Error| {
                e.as_database_error()
                    .is_some_and(|e| matches!(e.code().as_deref(), Some("42P04" | "23505")))
            };
            if let Err(error) = created
                && !is_there(&error)
            {
                return Err(error.into());
            }
        }
        let pool = pool(lease.connect_options(name)).await.map_err(unreachable)?;
        Ok(Self {
            pool,
            _lease: Some(std::sync::Arc::new(lease)),
        })
    }

    /// The server's own time.
    pub async fn now(&self, connection: &mut PgConnection) -> StoreResult<DateTime<Utc>> {
        Ok(sqlx::query_scalar("select now()").fetch_one(connection).await?)
    }

    /// Brings the schema to this version, one program at a time.
    pub async fn migrate(&self) -> StoreResult<()> {
        MIGRATIONS.run(&self.pool).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::VersionMissing(version) => StoreError::NewerSchema(version),
            other => StoreError::Migration(other),
        })?;
        let mut transaction = self.pool.begin().await?;
        conceal_plain_directories(&mut transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// Fails where the schema is not the one that this version knows.
    pub async fn check_schema(&self) -> StoreResult<()> {
        let has_table: bool = sqlx::query_scalar("select to_regclass('_sqlx_migrations') is not null")
            .fetch_one(&self.pool)
            .await?;
        let applied: Vec<i64> = if has_table {
            sqlx::query_scalar("select version from _sqlx_migrations where success order by version")
                .fetch_all(&self.pool)
                .await?
        } else {
            Vec::new()
        };
        let known: HashSet<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        if let Some(newer) = applied.iter().find(|version| !known.contains(version)) {
            return Err(StoreError::NewerSchema(*newer));
        }
        match known.len() - applied.len() {
            0 => Ok(()),
            lacking => Err(StoreError::OlderSchema(lacking)),
        }
    }
}

async fn pool(options: PgConnectOptions) -> Result<PgPool, sqlx::Error> {
    let options = options
        .application_name("anbun")
        .options([("timezone", "UTC"), ("default_transaction_isolation", "read committed")]);
    PgPoolOptions::new()
        .max_connections(CONNECTIONS_MAX)
        .acquire_timeout(Duration::from_secs(20))
        .connect_with(options)
        .await
}
