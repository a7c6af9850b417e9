//! Files of a sealed statement: made once, kept, and handed out as they were made.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, Utc};
use serde::Deserialize;
use sqlx::PgConnection;
use utoipa::IntoParams;

use super::chargeback::parse_period;

use crate::config::{Config, JournalConfig};
use crate::documents::department_csv::department_csv;
use crate::documents::encoding::Encoding;
use crate::documents::journal::template::{Template, presets};
use crate::documents::journal::{Journal, entities_of, journal};
use crate::documents::workbook::{WorkbookParts, workbook};
use crate::documents::{DepartmentNames, Language, SealedStatement};
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::directory::Directory;
use crate::domain::journal::{JournalSettings, Mapping};
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::sources::finance_csv::read_journal_mappings;
use crate::store::chargeback::list_person_names;
use crate::store::directory::get_directory;
use crate::store::files::{KeptFile, find_file, keep_file, note_download};
use crate::store::month::find_state;
use crate::store::statements::{Statement, find_directory, find_statement, list_lines, list_statements};
use crate::store::tokens::note_personal_data_read;
use crate::store::{StoreError, StoreResult};

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    Csv,
    Xlsx,
    /// By the name of a preset or of a template of the settings.
    Journal(String),
}

impl FileKind {
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "csv" => Some(Self::Csv),
            "xlsx" => Some(Self::Xlsx),
            other => other
                .strip_prefix("journal:")
                .map(|preset| Self::Journal(preset.to_owned())),
        }
    }
}

/// Which file is asked for.
#[derive(Debug, Clone)]
pub struct FileQuestion {
    pub period: BillingPeriod,
    pub kind: FileKind,
    /// Of an earlier statement; else the one that closed the month.
    pub version: Option<i32>,
    pub language: Language,
    pub encoding: Option<Encoding>,
    pub legal_entity: Option<String>,
    pub posting_date: Option<NaiveDate>,
    pub with_people: bool,
}

impl FileQuestion {
    /// Everything that the content depends on besides the statement.
    fn key(&self) -> String {
        let mut key = match &self.kind {
            FileKind::Csv => "csv".to_owned(),
            FileKind::Xlsx => "xlsx".to_owned(),
            FileKind::Journal(preset) => format!("journal:{preset}"),
        };
        let language = if self.language == Language::Japanese {
            "ja"
        } else {
            "en"
        };
        key.push_str(&format!(";{language}"));
        if let Some(encoding) = self.encoding {
            key.push_str(&format!(";{}", encoding.as_str()));
        }
        if let Some(entity) = &self.legal_entity {
            key.push_str(&format!(";entity={entity}"));
        }
        if let Some(date) = self.posting_date {
            key.push_str(&format!(";on={date}"));
        }
        if self.with_people {
            key.push_str(";people");
        }
        key
    }

    fn file_name(&self, statement: &Statement) -> String {
        let (what, ending) = match &self.kind {
            FileKind::Csv => ("chargeback".to_owned(), "csv"),
            FileKind::Xlsx => ("chargeback".to_owned(), "xlsx"),
            FileKind::Journal(preset) => (format!("journal-{preset}"), "csv"),
        };
        let entity = self
            .legal_entity
            .as_ref()
            .map(|entity| format!("-{entity}"))
            .unwrap_or_default();
        format!(
            "anbun-{}-v{}-{what}{entity}.{ending}",
            statement.period, statement.version
        )
    }
}

/// Makes a file, or hands out the one that was made before.
pub async fn file(
    connection: &mut PgConnection,
    question: &FileQuestion,
    config: &Config,
    mappings: Vec<Mapping>,
    (actor, now): (&Actor, DateTime<Utc>),
) -> anyhow::Result<KeptFile> {
    authorize(actor, Action::ReadChargeback)?;
    if question.with_people {
        authorize(actor, Action::ReadPeople)?;
        let what = format!("workbook {} with people", question.period);
        note_personal_data_read(connection, actor, &what, now).await?;
    }
    let statement = asked_statement(connection, question).await?;
    let key = question.key();
    let statement_id = statement.statement_id;
    if find_file(connection, statement_id, &key).await?.is_none() {
        let name = question.file_name(&statement);
        let content = make(connection, statement, question, &config.journal, mappings).await?;
        keep_file(connection, (statement_id, &key), (&name, &content), (&actor.name, now)).await?;
    }
    let kept = find_file(connection, statement_id, &key)
        .await?
        .context("the file was not kept")?;
    note_download(connection, kept.file_id, &actor.name, now).await?;
    Ok(kept)
}

async fn asked_statement(connection: &mut PgConnection, question: &FileQuestion) -> anyhow::Result<Statement> {
    let period = question.period;
    match question.version {
        Some(version) => {
            let all = list_statements(connection, period).await?;
            let found = all.into_iter().find(|statement| statement.version == version);
            found.with_context(|| format!("{period} has no statement {version}"))
        }
        None => match find_state(connection, period).await?.statement_id {
            Some(statement_id) => Ok(find_statement(connection, statement_id).await?),
            None => bail!(
                "{period} is open: files are made from a sealed statement; close it first, or see 'anbun chargeback preview'"
            ),
        },
    }
}

async fn make(
    connection: &mut PgConnection,
    statement: Statement,
    question: &FileQuestion,
    config: &JournalConfig,
    mappings: Vec<Mapping>,
) -> anyhow::Result<Vec<u8>> {
    let sealed = read_sealed(connection, statement, question.with_people).await?;
    let settings = JournalSettings {
        sources: config.sources.clone(),
        entities: config.entities.clone(),
        mappings,
        text: config.text.clone(),
    };
    match &question.kind {
        FileKind::Csv => Ok(department_csv(
            &sealed,
            question.language,
            question.encoding.unwrap_or(Encoding::Utf8Bom),
        )?),
        FileKind::Xlsx => {
            let parts = WorkbookParts {
                journals: journals(&sealed, &settings, question)?,
                with_people: question.with_people,
            };
            Ok(workbook(&sealed, &parts, question.language)?)
        }
        FileKind::Journal(preset) => {
            let template = find_template(preset, config)?;
            let entity = question.legal_entity.as_deref();
            let journal = journal(&sealed, &settings, preset, entity, question.posting_date)?;
            check_complete(&journal)?;
            Ok(template.write(&journal, question.encoding)?)
        }
    }
}

/// The journals of every legal entity, for the workbook; none before the settings say who pays AWS.
fn journals(
    sealed: &SealedStatement,
    settings: &JournalSettings,
    question: &FileQuestion,
) -> anyhow::Result<Vec<Journal>> {
    if settings.sources.is_empty() {
        return Ok(Vec::new());
    }
    let mut journals = Vec::new();
    for entity in entities_of(sealed) {
        let made = journal(sealed, settings, "workbook", Some(&entity), question.posting_date)?;
        check_complete(&made)?;
        journals.push(made);
    }
    Ok(journals)
}

/// What the slips move, what makes no line and the tax that is booked elsewhere add up to what the entity is charged.
fn check_complete(journal: &Journal) -> anyhow::Result<()> {
    let counted = journal.own_moved + journal.own_share + journal.tax_elsewhere;
    anyhow::ensure!(
        counted == journal.charged,
        "the journal of {} does not add up: {counted} instead of {}",
        journal.legal_entity,
        journal.charged
    );
    Ok(())
}

fn find_template(name: &str, config: &JournalConfig) -> anyhow::Result<Template> {
    let mut templates = presets();
    for file in &config.templates {
        let text = std::fs::read_to_string(file).with_context(|| format!("template {}", file.display()))?;
        let template = Template::parse(&text).map_err(|what| anyhow::anyhow!("template {}: {what}", file.display()))?;
        templates.push(template);
    }
    let names = templates
        .iter()
        .map(|template| template.name.as_str())
        .collect::<Vec<_>>()
        .join(", ");
    // A company's own template takes the place of a preset of the same name.
    let found = templates.iter().rposition(|template| template.name == name);
    found
        .map(|at| templates.swap_remove(at))
        .with_context(|| format!("there is no journal template '{name}'; there are {names}"))
}

/// A statement with the names that belong to it.
async fn read_sealed(
    connection: &mut PgConnection,
    statement: Statement,
    with_people: bool,
) -> StoreResult<SealedStatement> {
    let lines = list_lines(connection, statement.statement_id).await?;
    let directory = match statement.directory_version {
        Some(version) => find_directory(connection, version).await?,
        None => None,
    };
    let directory: Directory = match directory {
        Some(directory) => directory,
        None => get_directory(connection).await?,
    };
    let mut departments: BTreeMap<String, DepartmentNames> = BTreeMap::new();
    for department in &directory.departments {
        if department.valid.from < statement.period.days().to {
            let names = DepartmentNames {
                name: department.name.clone(),
                name_ja: department.name_ja.clone(),
                cost_center: department.cost_center.clone(),
                legal_entity: department.legal_entity.clone(),
            };
            departments.insert(department.code.clone(), names);
        }
    }
    let people = if with_people {
        list_person_names(connection, statement.period)
            .await?
            .into_iter()
            .collect()
    } else {
        BTreeMap::new()
    };
    Ok(SealedStatement {
        period: statement.period,
        version: statement.version,
        state: statement.state,
        sealed_at: statement.sealed_at,
        prepared_by: statement.prepared_by,
        digest: statement.digest,
        head: serde_json::from_str(&statement.head).unwrap_or_default(),
        lines,
        departments,
        people,
    })
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct StatementQuery {
    /// `csv`, `xlsx` or `journal`; without it the statement itself as JSON.
    pub format: Option<String>,
    /// Of a journal.
    pub preset: Option<String>,
    /// `utf-8`, `utf-8-bom` or `cp932`.
    pub encoding: Option<String>,
    /// `ja` (default) or `en`.
    pub language: Option<String>,
    pub legal_entity: Option<String>,
    /// Number of an earlier statement.
    pub statement: Option<i32>,
    /// Posting date of a journal, YYYY-MM-DD.
    pub posting_date: Option<NaiveDate>,
    /// `true`: a sheet by person in the workbook.
    pub people: Option<bool>,
}

/// The sealed statement of a closed month, or a file that was made of it.
#[utoipa::path(
    get,
    path = "/api/v1/chargeback/{period}/statement",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM"), StatementQuery),
    responses(
        (status = 200, description = "The head of the statement as JSON, or the file"),
        (status = 304, description = "The client has it"),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_statement(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    Query(query): Query<StatementQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let period = parse_period(&period)?;
    let question = query.question(period)?;
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let statement = asked_statement(&mut connection, &question)
        .await
        .map_err(|e| ApiError::NotFound(e.to_string()))?;
    let (name, kind, etag, content) = if query.format.is_none() {
        let etag = format!("\"{}\"", statement.digest);
        (None, "application/json", etag, statement.head.into_bytes())
    } else {
        if question.with_people {
            authorize(&actor, Action::ReadPeople)?;
        }
        let mappings = match &state.config.journal.mappings {
            Some(path) => read_journal_mappings(path).map_err(|e| ApiError::Conflict(e.to_string()))?,
            None => Vec::new(),
        };
        let with = (&actor, state.clock.now());
        let made = file(&mut connection, &question, &state.config, mappings, with).await;
        let made = made.map_err(|error| match error.downcast::<StoreError>() {
            Ok(error) => ApiError::Internal(error),
            Err(error) => ApiError::Conflict(error.to_string()),
        })?;
        let kind = match question.kind {
            FileKind::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            FileKind::Csv | FileKind::Journal(_) => "text/csv",
        };
        (Some(made.file_name), kind, format!("\"{}\"", made.sha256), made.content)
    };
    let is_known = headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, kind)], content).into_response()
    };
    let value = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""));
    response.headers_mut().insert(header::ETAG, value(&etag));
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    if let Some(name) = name {
        let disposition = format!(
            "attachment; filename=\"{}\"",
            name.replace(|c: char| !c.is_ascii_graphic() || c == '"', "_")
        );
        response
            .headers_mut()
            .insert(header::CONTENT_DISPOSITION, value(&disposition));
    }
    Ok(response)
}

impl StatementQuery {
    fn question(&self, period: BillingPeriod) -> Result<FileQuestion, ApiError> {
        let bad = |pointer, detail: String| ApiError::BadParameter { pointer, detail };
        let kind = match (self.format.as_deref(), self.preset.as_deref()) {
            (None | Some("csv"), _) => FileKind::Csv,
            (Some("xlsx"), _) => FileKind::Xlsx,
            (Some("journal"), Some(preset)) => FileKind::Journal(preset.to_owned()),
            (Some("journal"), None) => return Err(bad("preset", "a journal needs a preset".to_owned())),
            (Some(other), _) => return Err(bad("format", format!("'{other}' is none of csv, xlsx, journal"))),
        };
        let language = match self.language.as_deref() {
            None | Some("ja") => Language::Japanese,
            Some("en") => Language::English,
            Some(other) => return Err(bad("language", format!("'{other}' is none of ja, en"))),
        };
        let encoding = match self.encoding.as_deref() {
            None => None,
            Some(text) => {
                let names = Encoding::NAMES.join(", ");
                Some(Encoding::parse(text).ok_or_else(|| bad("encoding", format!("'{text}' is none of {names}")))?)
            }
        };
        Ok(FileQuestion {
            with_people: self.people.unwrap_or(false) && kind == FileKind::Xlsx,
            period,
            kind,
            version: self.statement,
            language,
            encoding,
            legal_entity: self.legal_entity.clone(),
            posting_date: self.posting_date,
        })
    }
}
