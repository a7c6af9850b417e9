//! Sealed statements: written once, chained, read back as they were sealed.
//!
//! A statement's canonical form is its head (one line of JSON) and its lines in their order; its digest is the SHA-256 of the
//! digest before it and that form.  People stand in it by an id that means nothing without `opaque_people`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

use super::copy::Copy;
use super::{StoreError, StoreResult};
use crate::domain::allocation::Pool;
use crate::domain::books::{Column, Posting};
use crate::domain::close::MonthState;
use crate::domain::digest::sha256;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::domain::statement::StatementLine;

/// What is sealed.
pub struct Sealing<'s> {
    pub period: BillingPeriod,
    pub state: MonthState,
    pub prepared_by: &'s str,
    pub at: DateTime<Utc>,
    pub directory_version: Option<i32>,
    pub allocation_version: Option<i32>,
    pub snapshots: &'s [i32],
    /// Everything but the lines, as a JSON object.
    pub head: &'s serde_json::Value,
    pub lines: &'s [StatementLine],
}

/// A sealed statement without its lines.
#[derive(Debug, Clone)]
pub struct Statement {
    pub statement_id: i32,
    pub period: BillingPeriod,
    pub version: i32,
    pub state: MonthState,
    pub sealed_at: DateTime<Utc>,
    pub prepared_by: String,
    pub directory_version: Option<i32>,
    pub allocation_version: Option<i32>,
    /// Canonical JSON.
    pub head: String,
    pub total: Amount,
    pub digest: String,
    pub previous_digest: Option<String>,
}

impl Statement {
    /// Whether it was sealed for somebody else to approve: by locking the month.
    pub fn needs_approver(&self) -> bool {
        let head: serde_json::Value = serde_json::from_str(&self.head).unwrap_or_default();
        head["two_person"] == true
    }
}

const LINE_COLUMNS: [&str; 14] = [
    "statement_id",
    "line",
    "bill_group",
    "column_name",
    "department",
    "pool",
    "person",
    "model",
    "project",
    "currency",
    "billed",
    "amount",
    "lines",
    "tokens",
];

const POSTING_COLUMNS: [&str; 11] = [
    "statement_id",
    "posting",
    "bill_group",
    "column_name",
    "department",
    "pool",
    "currency",
    "billed",
    "amount",
    "lines",
    "tokens",
];

/// The canonical text of a line, with its person's opaque id.
fn canonical_line(text: &mut String, line: &StatementLine, person: Option<Uuid>) {
    let pool = line.pool.as_ref().map(Pool::to_string);
    let person = person.map(|id| id.to_string());
    let _ = write!(text, "[{},\"{}\",", line.bill_group, line.column.as_str());
    for value in [
        line.department.as_deref(),
        pool.as_deref(),
        person.as_deref(),
        line.model.as_deref(),
        line.project.as_deref(),
    ] {
        push_json(text, value);
        text.push(',');
    }
    let _ = writeln!(
        text,
        "\"{}\",\"{}\",\"{}\",{},{}]",
        line.currency, line.billed, line.amount, line.lines, line.tokens
    );
}

/// A text as JSON has it.  Almost none needs an escape.
fn push_json(text: &mut String, value: Option<&str>) {
    match value {
        None => text.push_str("null"),
        Some(value) if value.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') => {
            text.push('"');
            text.push_str(value);
            text.push('"');
        }
        Some(value) => text.push_str(&serde_json::to_string(value).unwrap_or_default()),
    }
}

fn digest_of(previous: Option<&str>, head: &str, lines: &str) -> String {
    let previous = previous.unwrap_or("");
    sha256(&[previous.as_bytes(), b"\n", head.as_bytes(), b"\n", lines.as_bytes()])
}

/// Seals a statement; the caller's transaction takes the month's step with it, under the lock of steps.
pub async fn seal(connection: &mut PgConnection, sealing: &Sealing<'_>) -> StoreResult<Statement> {
    let people: Vec<String> = sealing
        .lines
        .iter()
        .filter_map(|line| line.person.clone())
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .collect();
    let opaque = opaque_ids(connection, &people).await?;
    let id_of = |line: &StatementLine| line.person.as_ref().and_then(|person| opaque.get(person)).copied();
    let version = sqlx::query_file_scalar!("queries/statements/next_version.sql", sealing.period.first_day())
        .fetch_one(&mut *connection)
        .await?;
    let previous = find_last_digest(connection).await?;
    let mut head = serde_json::Map::new();
    head.insert("period".to_owned(), sealing.period.to_string().into());
    head.insert("version".to_owned(), version.into());
    head.insert("state".to_owned(), sealing.state.as_str().into());
    head.insert("sealed_at".to_owned(), sealing.at.to_rfc3339().into());
    head.insert("prepared_by".to_owned(), sealing.prepared_by.into());
    head.extend(sealing.head.as_object().cloned().unwrap_or_default());
    let head = serde_json::Value::Object(head).to_string();
    let mut lines = String::with_capacity(sealing.lines.len() * 120);
    for line in sealing.lines {
        canonical_line(&mut lines, line, id_of(line));
    }
    let digest = digest_of(previous.as_deref(), &head, &lines);
    let total: Amount = sealing.lines.iter().map(|line| line.amount).sum();
    let statement_id = sqlx::query_file_scalar!(
        "queries/statements/insert_statement.sql",
        sealing.period.first_day(),
        version,
        sealing.state.as_str(),
        sealing.at,
        sealing.prepared_by,
        sealing.directory_version,
        sealing.allocation_version,
        head,
        total.to_decimal().ok_or(StoreError::TooLarge)?,
        digest,
        previous,
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query_file!(
        "queries/statements/insert_deliveries.sql",
        statement_id,
        sealing.snapshots
    )
    .execute(&mut *connection)
    .await?;
    write_lines(connection, statement_id, sealing.lines, id_of).await?;
    write_postings(connection, statement_id, sealing.lines).await?;
    Ok(Statement {
        statement_id,
        period: sealing.period,
        version,
        state: sealing.state,
        sealed_at: sealing.at,
        prepared_by: sealing.prepared_by.to_owned(),
        directory_version: sealing.directory_version,
        allocation_version: sealing.allocation_version,
        head,
        total,
        digest,
        previous_digest: previous,
    })
}

/// The digest that the chain of seals ends with, of statements and locks; none before the first.
pub(super) async fn find_last_digest(connection: &mut PgConnection) -> StoreResult<Option<String>> {
    let last = sqlx::query_file_scalar!("queries/statements/find_last.sql");
    Ok(last.fetch_optional(connection).await?)
}

async fn write_lines(
    connection: &mut PgConnection,
    statement_id: i32,
    lines: &[StatementLine],
    id_of: impl Fn(&StatementLine) -> Option<Uuid>,
) -> StoreResult<()> {
    let mut copy = Copy::into(connection, "statement_lines", &LINE_COLUMNS).await?;
    for (at, line) in lines.iter().enumerate() {
        let number = |value: usize| i32::try_from(value).map_err(|_| StoreError::TooLarge);
        let pool = line.pool.as_ref().map(Pool::to_string);
        let (at, bill_group) = (number(at)?, number(line.bill_group)?);
        let mut row = copy.row(14);
        row.int4(statement_id)
            .int4(at)
            .int4(bill_group)
            .text(line.column.as_str());
        row.text_or_null(line.department.as_deref())
            .text_or_null(pool.as_deref())
            .uuid_or_null(id_of(line))
            .text_or_null(line.model.as_deref())
            .text_or_null(line.project.as_deref());
        row.text(&line.currency)
            .numeric(line.billed)
            .numeric(line.amount)
            .int8(line.lines)
            .int8(line.tokens);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    Ok(())
}

/// The lines summed by holder; they add up to the same.
async fn write_postings(connection: &mut PgConnection, statement_id: i32, lines: &[StatementLine]) -> StoreResult<()> {
    type Holder<'l> = (usize, Column, Option<&'l str>, Option<&'l Pool>, &'l str);
    let mut sums: BTreeMap<Holder<'_>, (Amount, Amount, i64, i64)> = BTreeMap::new();
    for line in lines {
        let holder = (
            line.bill_group,
            line.column,
            line.department.as_deref(),
            line.pool.as_ref(),
            line.currency.as_str(),
        );
        let sum = sums.entry(holder).or_default();
        *sum = (
            sum.0 + line.billed,
            sum.1 + line.amount,
            sum.2 + line.lines,
            sum.3 + line.tokens,
        );
    }
    let mut copy = Copy::into(connection, "statement_postings", &POSTING_COLUMNS).await?;
    for (at, ((bill_group, column, department, pool, currency), sum)) in (0_i32..).zip(sums) {
        let bill_group = i32::try_from(bill_group).map_err(|_| StoreError::TooLarge)?;
        let pool = pool.map(Pool::to_string);
        let mut row = copy.row(11);
        row.int4(statement_id).int4(at).int4(bill_group).text(column.as_str());
        row.text_or_null(department)
            .text_or_null(pool.as_deref())
            .text(currency);
        row.numeric(sum.0).numeric(sum.1).int8(sum.2).int8(sum.3);
        copy.flush_when_full().await?;
    }
    copy.finish().await?;
    Ok(())
}

/// The opaque ids of people; those who have none get one.
pub(super) async fn opaque_ids(
    connection: &mut PgConnection,
    people: &[String],
) -> StoreResult<BTreeMap<String, Uuid>> {
    let ids: Vec<Uuid> = people.iter().map(|_| Uuid::new_v4()).collect();
    sqlx::query_file!("queries/statements/insert_opaque_people.sql", people, &ids)
        .execute(&mut *connection)
        .await?;
    let rows = sqlx::query_file!("queries/statements/list_opaque_people.sql", people)
        .fetch_all(connection)
        .await?;
    Ok(rows.into_iter().map(|row| (row.person_id, row.opaque_id)).collect())
}

/// Forgets whose figures stand in statements under an opaque id; false where none do.  The statements and their digests stay.
pub async fn delete_opaque_person(connection: &mut PgConnection, person_id: &str) -> StoreResult<bool> {
    let deleted = sqlx::query_file!("queries/statements/delete_opaque_person.sql", person_id)
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected() > 0)
}

struct StatementRow {
    statement_id: i32,
    billing_period: NaiveDate,
    version: i32,
    state: String,
    sealed_at: DateTime<Utc>,
    prepared_by: String,
    directory_version: Option<i32>,
    allocation_version: Option<i32>,
    head: String,
    total_jpy: rust_decimal::Decimal,
    digest: String,
    previous_digest: Option<String>,
}

impl StatementRow {
    fn read(self) -> StoreResult<Statement> {
        Ok(Statement {
            statement_id: self.statement_id,
            period: BillingPeriod::of(self.billing_period),
            version: self.version,
            state: MonthState::parse(&self.state).unwrap_or(MonthState::Final),
            sealed_at: self.sealed_at,
            prepared_by: self.prepared_by,
            directory_version: self.directory_version,
            allocation_version: self.allocation_version,
            head: self.head,
            total: Amount::from_decimal(self.total_jpy).ok_or(StoreError::TooLarge)?,
            digest: self.digest,
            previous_digest: self.previous_digest,
        })
    }
}

pub async fn find_statement(connection: &mut PgConnection, statement_id: i32) -> StoreResult<Statement> {
    let query = sqlx::query_file_as!(StatementRow, "queries/statements/find_statement.sql", statement_id);
    query.fetch_one(connection).await?.read()
}

/// Every statement of a month, the oldest first.
pub async fn list_statements(connection: &mut PgConnection, period: BillingPeriod) -> StoreResult<Vec<Statement>> {
    let query = sqlx::query_file_as!(
        StatementRow,
        "queries/statements/list_statements.sql",
        period.first_day()
    );
    query
        .fetch_all(connection)
        .await?
        .into_iter()
        .map(StatementRow::read)
        .collect()
}

/// The last statement of a month that was sealed by the end of a UTC day.
pub async fn find_known_on(
    connection: &mut PgConnection,
    period: BillingPeriod,
    day: NaiveDate,
) -> StoreResult<Option<i32>> {
    let found = sqlx::query_file_scalar!("queries/statements/find_known_on.sql", period.first_day(), day);
    Ok(found.fetch_optional(connection).await?)
}

/// The deliveries that a statement rests on.
pub async fn list_snapshot_ids(connection: &mut PgConnection, statement_id: i32) -> StoreResult<Vec<i32>> {
    Ok(
        sqlx::query_file_scalar!("queries/statements/list_snapshot_ids.sql", statement_id)
            .fetch_all(connection)
            .await?,
    )
}

fn position(value: i32) -> usize {
    usize::try_from(value).unwrap_or_default()
}

/// A statement by department: what answers of a closed month are made from.
pub async fn list_postings(connection: &mut PgConnection, statement_id: i32) -> StoreResult<Vec<(String, Posting)>> {
    let rows = sqlx::query_file!("queries/statements/list_postings.sql", statement_id)
        .fetch_all(connection)
        .await?;
    let amount = |value| Amount::from_decimal(value).ok_or(StoreError::TooLarge);
    let postings = rows.into_iter().map(|row| {
        let posting = Posting {
            group: position(row.bill_group),
            column: Column::parse(&row.column_name).unwrap_or(Column::Other),
            department: row.department,
            pool: row.pool.as_deref().and_then(Pool::parse),
            billed: amount(row.billed)?,
            amount: amount(row.amount)?,
            lines: row.lines,
            tokens: row.tokens,
        };
        Ok((row.currency, posting))
    });
    postings.collect()
}

/// A statement's lines in their order.  A person who cannot be named any more stands by the opaque id.
pub async fn list_lines(connection: &mut PgConnection, statement_id: i32) -> StoreResult<Vec<StatementLine>> {
    let rows = sqlx::query_file!("queries/statements/list_lines.sql", statement_id)
        .fetch_all(connection)
        .await?;
    let amount = |value| Amount::from_decimal(value).ok_or(StoreError::TooLarge);
    let lines = rows.into_iter().map(|row| {
        Ok(StatementLine {
            bill_group: position(row.bill_group),
            column: Column::parse(&row.column_name).unwrap_or(Column::Other),
            department: row.department,
            pool: row.pool.as_deref().and_then(Pool::parse),
            person: row.person_id.or_else(|| row.person.map(|id| id.to_string())),
            model: row.model,
            project: row.project,
            currency: row.currency,
            billed: amount(row.billed)?,
            amount: amount(row.amount)?,
            lines: row.lines,
            tokens: row.tokens,
        })
    });
    lines.collect()
}

/// The text that a statement's digest is of, from what is stored: the digest before it, its head, its lines.
pub async fn canonical(connection: &mut PgConnection, statement: &Statement) -> StoreResult<String> {
    let rows = sqlx::query_file!("queries/statements/list_sealed_lines.sql", statement.statement_id)
        .fetch_all(connection)
        .await?;
    let mut lines = String::new();
    for row in rows {
        let amount = |value| Amount::from_decimal(value).ok_or(StoreError::TooLarge);
        let line = StatementLine {
            bill_group: position(row.bill_group),
            column: Column::parse(&row.column_name).unwrap_or(Column::Other),
            department: row.department,
            pool: row.pool.as_deref().and_then(Pool::parse),
            person: None,
            model: row.model,
            project: row.project,
            currency: row.currency,
            billed: amount(row.billed)?,
            amount: amount(row.amount)?,
            lines: row.lines,
            tokens: row.tokens,
        };
        canonical_line(&mut lines, &line, row.person);
    }
    let previous = statement.previous_digest.as_deref().unwrap_or("");
    Ok(format!("{previous}\n{}\n{lines}", statement.head))
}
