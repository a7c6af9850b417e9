//! Files of a sealed statement: made once, kept, and handed out as they were made.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use chrono::{DateTime, NaiveDate, Utc};
use sqlx::PgConnection;

use crate::config::{Config, JournalConfig};
use crate::documents::department_csv::department_csv;
use crate::documents::encoding::Encoding;
use crate::documents::focus::{FocusVersion, focus_csv, focus_parquet};
use crate::documents::intercompany::{intercompany, origins};
use crate::documents::journal::template::{Template, presets};
use crate::documents::journal::{Journal, WORKBOOK, cancelled, entities_of, journal};
use crate::documents::workbook::{WorkbookParts, workbook};
use crate::documents::{Language, SealedStatement, names_of_departments};
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::digest::sha256;
use crate::domain::directory::Directory;
use crate::domain::journal::{JournalSettings, Mapping};
use crate::domain::period::BillingPeriod;
use crate::jobs::posted_before::PostedBefore;
use crate::store::StoreResult;
use crate::store::chargeback::list_person_names;
use crate::store::directory::get_directory;
use crate::store::files::{FileKey, count_taken, find_file, keep_file, note_download};
use crate::store::invoices::list_invoices;
use crate::store::month::find_state;
use crate::store::sealed_directories::find_directory;
use crate::store::statements::{Statement, find_known_on, find_statement, list_lines, list_statements};
use crate::store::tokens::note_personal_data_read;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileKind {
    Csv,
    Xlsx,
    /// FOCUS as Parquet.
    Focus(FocusVersion),
    FocusCsv(FocusVersion),
    /// What the departments of another legal entity owe the one that pays, by AWS invoice.
    Intercompany,
    /// By the name of a preset or of a template of the settings; with `.xlsx` behind it as a worksheet.
    Journal(String),
}

/// What the name of a preset ends with, where its journal is wanted as a worksheet.
const SHEET: &str = ".xlsx";

fn is_sheet(preset: &str) -> bool {
    preset.ends_with(SHEET)
}

impl FileKind {
    /// The media type.
    pub fn media_type(&self) -> &'static str {
        match self {
            Self::Journal(preset) if is_sheet(preset) => Self::Xlsx.media_type(),
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Focus(_) => "application/vnd.apache.parquet",
            Self::Csv | Self::FocusCsv(_) | Self::Intercompany | Self::Journal(_) => "text/csv",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "csv" => Some(Self::Csv),
            "xlsx" => Some(Self::Xlsx),
            "focus" => Some(Self::Focus(FocusVersion::V1_2)),
            "focus-csv" => Some(Self::FocusCsv(FocusVersion::V1_2)),
            "focus-1.3" => Some(Self::Focus(FocusVersion::V1_3)),
            "focus-1.3-csv" => Some(Self::FocusCsv(FocusVersion::V1_3)),
            "intercompany" => Some(Self::Intercompany),
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
    /// The last one that was sealed by the end of a UTC day.
    pub as_known_on: Option<NaiveDate>,
    pub language: Language,
    pub encoding: Option<Encoding>,
    pub legal_entity: Option<String>,
    pub posting_date: Option<NaiveDate>,
    pub with_people: bool,
}

impl FileQuestion {
    /// Everything that the content depends on besides the statement; `settings` is the digest of those that a journal is made by.
    fn key(&self, statement_id: i32, settings: &str) -> FileKey {
        let language = if self.language == Language::Japanese {
            "ja"
        } else {
            "en"
        };
        let encoding = self.encoding.map_or("", Encoding::as_str);
        let entity = self.legal_entity.as_deref().unwrap_or("");
        let date = self.posting_date.map(|date| date.to_string()).unwrap_or_default();
        let (kind, series) = match &self.kind {
            FileKind::Csv => (format!("csv;{language};{encoding}"), "csv".to_owned()),
            FileKind::Focus(version) => (format!("focus{}", version.suffix()), "focus".to_owned()),
            FileKind::FocusCsv(version) => (format!("focus{}-csv", version.suffix()), "focus".to_owned()),
            FileKind::Intercompany => (
                format!("intercompany;{language};{encoding};{entity};{settings}"),
                format!("intercompany;{entity}"),
            ),
            FileKind::Xlsx => (format!("xlsx;{language};{date};{settings}"), "xlsx".to_owned()),
            FileKind::Journal(preset) => (
                format!("journal:{preset};{encoding};{entity};{date};{settings}"),
                format!("journal;{entity}"),
            ),
        };
        FileKey {
            statement_id,
            kind,
            series,
        }
    }

    fn file_name(&self, statement: &Statement) -> String {
        let (what, ending) = match &self.kind {
            FileKind::Csv => ("chargeback".to_owned(), "csv"),
            FileKind::Focus(version) => (format!("focus{}", version.suffix()), "parquet"),
            FileKind::FocusCsv(version) => (format!("focus{}", version.suffix()), "csv"),
            FileKind::Intercompany => ("intercompany".to_owned(), "csv"),
            FileKind::Xlsx => ("chargeback".to_owned(), "xlsx"),
            FileKind::Journal(preset) if is_sheet(preset) => {
                (format!("journal-{}", preset.trim_end_matches(SHEET)), "xlsx")
            }
            FileKind::Journal(preset) => (format!("journal-{preset}"), "csv"),
        };
        let entity = self
            .legal_entity
            .as_ref()
            .map(|entity| format!("-{entity}"))
            .unwrap_or_default();
        let name = format!(
            "anbun-{}-v{}-{what}{entity}.{ending}",
            statement.period, statement.version
        );
        name.replace(['/', '\\'], "_")
    }
}

/// A file, and what its reader must know.
#[derive(Debug)]
pub struct MadeFile {
    pub file_name: String,
    pub content: Vec<u8>,
    pub sha256: String,
    /// The journal that the file is, or holds.
    pub journals: Vec<Journal>,
    /// How often the journal of this legal entity was taken before, in whatever format.
    pub taken: i64,
}

/// Makes a file, or hands out the one that was made before.  One with people is made each time: no name is kept.
pub async fn file(
    connection: &mut PgConnection,
    question: &FileQuestion,
    config: &Config,
    mappings: Vec<Mapping>,
    (actor, now): (&Actor, DateTime<Utc>),
) -> anyhow::Result<MadeFile> {
    authorize(actor, Action::ReadChargeback)?;
    if question.with_people {
        authorize(actor, Action::ReadPeople)?;
        let what = format!("workbook {} with people", question.period);
        note_personal_data_read(connection, actor, &what, now).await?;
    }
    let statement = asked_statement(connection, question).await?;
    let making = Making::of(config, mappings, &question.kind)?;
    let posted = PostedBefore::read(connection, &statement).await?;
    let key = question.key(statement.statement_id, &making.digest_with(&posted));
    let file_name = question.file_name(&statement);
    let (content, journals) = making.make(connection, statement, &posted, question).await?;
    if question.with_people {
        let sha256 = sha256(&[&content]);
        return Ok(MadeFile {
            file_name,
            content,
            sha256,
            journals,
            taken: 0,
        });
    }
    if find_file(connection, &key).await?.is_none() {
        // Only a journal's own file is posted; the workbook's sheet is to be read.
        let posts = journals
            .first()
            .filter(|_| matches!(question.kind, FileKind::Journal(_)));
        let slips = posts.map(serde_json::to_value).transpose()?;
        let (made, by) = ((file_name.as_str(), content.as_slice()), (actor.name.as_str(), now));
        keep_file(connection, &key, made, slips.as_ref(), by).await?;
    }
    let kept = find_file(connection, &key).await?.context("the file was not kept")?;
    let taken = count_taken(connection, &key).await?;
    note_download(connection, kept.file_id, &actor.name, now).await?;
    Ok(MadeFile {
        file_name: kept.file_name,
        content: kept.content,
        sha256: kept.sha256,
        journals,
        taken,
    })
}

/// The statement that a question is about.
pub async fn asked_statement(connection: &mut PgConnection, question: &FileQuestion) -> anyhow::Result<Statement> {
    let period = question.period;
    if let Some(day) = question.as_known_on {
        let found = find_known_on(connection, period, day).await?;
        let statement_id = found.with_context(|| format!("{period} had no sealed statement by {day}"))?;
        return Ok(find_statement(connection, statement_id).await?);
    }
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

/// What files are made by, besides the statement.
struct Making {
    settings: JournalSettings,
    template: Option<Template>,
    /// Of all of it: a file that was made by other settings is another file.
    digest: String,
}

impl Making {
    fn of(config: &Config, mappings: Vec<Mapping>, kind: &FileKind) -> anyhow::Result<Self> {
        let template = match kind {
            FileKind::Journal(preset) => Some(find_template(preset.trim_end_matches(SHEET), &config.journal)?),
            FileKind::Csv | FileKind::Focus(_) | FileKind::FocusCsv(_) | FileKind::Xlsx | FileKind::Intercompany => {
                None
            }
        };
        let settings = config.journal.settings(mappings);
        let digest = sha256(&[format!("{settings:?}{template:?}").as_bytes()]);
        Ok(Self {
            settings,
            template,
            digest,
        })
    }

    /// With what the file takes back: once an earlier journal is posted, a file that was made before is another.
    fn digest_with(&self, posted: &PostedBefore) -> String {
        let taken_back = posted.superseded.iter().flat_map(|of| &of.journals);
        let taken_back = taken_back.map(|kept| kept.journal.to_string());
        let slips = posted.superseded.iter().flat_map(|of| &of.slips);
        let slips = slips.map(|posted| format!("{} {}", posted.legal_entity, posted.slip));
        let taken_back: Vec<String> = taken_back.chain(slips).collect();
        match taken_back.is_empty() {
            true => self.digest.clone(),
            false => sha256(&[self.digest.as_bytes(), taken_back.join("\n").as_bytes()]),
        }
    }

    async fn make(
        &self,
        connection: &mut PgConnection,
        statement: Statement,
        posted: &PostedBefore,
        question: &FileQuestion,
    ) -> anyhow::Result<(Vec<u8>, Vec<Journal>)> {
        let sealed = read_sealed(connection, statement, question.with_people).await?;
        match (&question.kind, &self.template) {
            (FileKind::Journal(preset), Some(template)) => {
                posted.check_date(sealed.period, sealed.state, question.posting_date)?;
                let entity = question.legal_entity.as_deref();
                let system = preset.trim_end_matches(SHEET);
                let journal = self.journal(&sealed, posted, (system, entity), question)?;
                let content = match is_sheet(preset) {
                    true => template.write_sheet(&journal)?,
                    false => template.write(&journal, question.encoding)?,
                };
                Ok((content, vec![journal]))
            }
            (FileKind::Xlsx, _) => {
                let mut journals = Vec::new();
                // None before the settings say who pays AWS.
                let entities = if self.settings.sources.is_empty() {
                    Vec::new()
                } else {
                    let mut entities = BTreeSet::from_iter(entities_of(&sealed, &self.settings)?);
                    entities.extend(posted.entities_that_hold(sealed.period)?);
                    entities.into_iter().collect()
                };
                if !entities.is_empty() {
                    posted.check_date(sealed.period, sealed.state, question.posting_date)?;
                }
                for entity in entities {
                    let of_entity = (WORKBOOK, Some(entity.as_str()));
                    journals.push(self.journal(&sealed, posted, of_entity, question)?);
                }
                let parts = WorkbookParts {
                    journals,
                    with_people: question.with_people,
                };
                Ok((workbook(&sealed, &parts, question.language)?, parts.journals))
            }
            (FileKind::Focus(version), _) => Ok((focus_parquet(&sealed, *version)?, Vec::new())),
            (FileKind::FocusCsv(version), _) => Ok((focus_csv(&sealed, *version)?, Vec::new())),
            (FileKind::Intercompany, _) => {
                let encoding = question.encoding.unwrap_or(Encoding::Utf8Bom);
                let how = (question.language, encoding);
                let mut earlier = Vec::new();
                for origin in origins(&sealed) {
                    earlier.extend(list_invoices(connection, Some(origin)).await?);
                }
                let entity = question.legal_entity.as_deref();
                let file = intercompany(&sealed, &self.settings, &earlier, entity, how)?;
                Ok((file, Vec::new()))
            }
            _ => {
                let encoding = question.encoding.unwrap_or(Encoding::Utf8Bom);
                Ok((department_csv(&sealed, question.language, encoding)?, Vec::new()))
            }
        }
    }

    /// The journal of one legal entity: what an earlier version posted is taken back first, exactly as its file
    /// had it.
    fn journal(
        &self,
        sealed: &SealedStatement,
        posted: &PostedBefore,
        (system, entity): (&str, Option<&str>),
        question: &FileQuestion,
    ) -> anyhow::Result<Journal> {
        let held = |entity: &str| posted.held_by(entity, sealed.period);
        let charged = entities_of(sealed, &self.settings)?;
        let mut made = match entity.filter(|entity| !charged.iter().any(|of| of == entity)) {
            // The new version charges it nothing; its books still hold what an earlier one did.
            Some(entity) if !held(entity)?.is_empty() => Journal::without_lines(entity),
            _ => journal(sealed, &self.settings, system, entity, question.posting_date)?,
        };
        check_complete(&made)?;
        let taken_back = held(&made.legal_entity)?.into_iter().map(cancelled);
        made.slips.splice(0..0, taken_back);
        Ok(made)
    }
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
        match Template::parse(&text) {
            Ok(template) => templates.push(template),
            // One that is broken and surely another does not keep this one from being used.
            Err(_) if Template::name_in(&text).is_some_and(|other| other != name) => {}
            Err(what) => bail!("template {}: {what}", file.display()),
        }
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
pub(super) async fn read_sealed(
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
    let people = if with_people {
        list_person_names(connection, statement.period)
            .await?
            .into_iter()
            .collect()
    } else {
        BTreeMap::new()
    };
    let period = statement.period;
    Ok(SealedStatement {
        period,
        version: statement.version,
        state: statement.state,
        sealed_at: statement.sealed_at,
        prepared_by: statement.prepared_by,
        digest: statement.digest,
        head: serde_json::from_str(&statement.head).unwrap_or_default(),
        lines,
        departments: names_of_departments(&directory, period),
        people,
    })
}
