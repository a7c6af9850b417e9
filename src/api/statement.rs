//! Files of a sealed statement: made once, kept, and handed out as they were made.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

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
use crate::store::StoreResult;
use crate::store::chargeback::list_person_names;
use crate::store::directory::get_directory;
use crate::store::files::{KeptFile, find_file, keep_file, note_download};
use crate::store::month::find_state;
use crate::store::statements::{Statement, find_directory, find_statement, list_lines, list_statements};
use crate::store::tokens::note_personal_data_read;

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
