//! `GET /api/v1/chargeback/{period}`: a month as it stands.

use axum::Json;
use axum::extract::{Extension, Path, State};
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use super::acting::{bad, in_reach};
use super::findings::{AsSeen, period_findings};
use super::footing::Footing;
use super::sealed::SealedMonth;
use super::view::{FindingView, MoneyView, rates, share};
use crate::config::{Config, ReportingCurrency};
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::books::{Column, LeafAmount, Posting, round_to_cents, spread_over_leaves};
use crate::domain::charge::ChargeClass;
use crate::domain::chargeback::{Chargeback, GroupBy, Reporting};
use crate::domain::directory::DirectoryDay;
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::store::books::{Leaves, assemble};
use crate::store::directory::{get_directory, list_departments};
use crate::store::month::find_state;
use crate::store::statements::find_known_on;
use crate::store::{StoreError, StoreResult, chargeback};

/// A month per department, person or project.  `total` is the sum of all rows, `unattributed` and `kept_visible`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChargebackView {
    pub period: String,
    pub by: &'static str,
    pub currency: &'static str,
    /// The day whose organisation the rows are under; null: each day of use its own.
    pub organisation: Option<String>,
    #[serde(flatten)]
    pub footing: Footing,
    pub rows: Vec<ChargebackRowView>,
    /// Usage that no department is charged for, by reason.
    pub unattributed: Vec<KeptView>,
    /// Tax, credits, refunds, discounts and other charges, until rules allocate them.
    pub kept_visible: Vec<KeptView>,
    pub total: MoneyView,
    /// Billed in a currency without a rate: not in the total.
    pub unconverted: Vec<MoneyView>,
}

/// `direct` + `allocated` + `discounts` + `credits` + `refunds` + `other` = `total_before_tax`; with `tax`,
/// `adjustments` and `accruals` it is `total`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChargebackRowView {
    /// Null for what is attributed to a department but to no known person or project.
    pub code: Option<String>,
    pub name: Option<String>,
    pub name_ja: Option<String>,
    pub direct: MoneyView,
    pub allocated: MoneyView,
    pub discounts: MoneyView,
    pub credits: MoneyView,
    pub refunds: MoneyView,
    pub other: MoneyView,
    pub total_before_tax: MoneyView,
    pub tax: MoneyView,
    pub adjustments: MoneyView,
    pub accruals: MoneyView,
    pub total: MoneyView,
    pub share: Option<String>,
    pub tokens: String,
    pub lines: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct KeptView {
    /// `usage`, `tax`, `credit`, `refund`, `discount` or `other`.
    pub class: &'static str,
    /// The reason of usage that is not attributed, else the charge type as the bill spells it.
    pub label: String,
    /// `quarantined` where a person must decide, `unattributed` where there is nobody to decide about.
    pub state: &'static str,
    pub amount: MoneyView,
    pub share: Option<String>,
    pub lines: i64,
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ChargebackQuery {
    /// `department` (default), `person` or `project`.
    pub by: Option<String>,
    /// `JPY` or `USD`; the reporting currency of the settings by default.  Dollars are the book of record, with all decimals;
    /// where the settings report in dollars, they are cents that add up.
    pub currency: Option<String>,
    /// `at_the_time` (default): departments as they were on the day of use; `today`: the same amounts under the organisation
    /// of today, by department only.  A view; the books stay as they are.
    pub organisation: Option<String>,
    /// YYYY-MM-DD: the month as its last statement said that was sealed by the end of that UTC day.
    pub as_known_on: Option<String>,
}

/// Under which organisation amounts are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Organisation {
    AtTheTime,
    /// Of the day on which it is asked.
    Today,
}

/// Which view of a month is asked for.
#[derive(Debug, Clone, Copy)]
pub struct ViewQuestion {
    pub by: GroupBy,
    pub reporting: Reporting,
    pub organisation: Organisation,
    pub as_known_on: Option<NaiveDate>,
}

impl ViewQuestion {
    /// The month as it stands, as its departments were.
    pub const fn of(by: GroupBy, reporting: Reporting) -> Self {
        Self {
            by,
            reporting,
            organisation: Organisation::AtTheTime,
            as_known_on: None,
        }
    }
}

impl ChargebackQuery {
    pub fn question(&self, config: &Config) -> Result<ViewQuestion, ApiError> {
        let by = self.group_by()?;
        let organisation = match self.organisation.as_deref() {
            None | Some("at_the_time") => Organisation::AtTheTime,
            Some("today") if by == GroupBy::Department => Organisation::Today,
            Some("today") => {
                return Err(bad(
                    "organisation",
                    "today's organisation is shown by department".to_owned(),
                ));
            }
            Some(other) => return Err(bad("organisation", format!("'{other}' is none of at_the_time, today"))),
        };
        let as_known_on = match self.as_known_on.as_deref() {
            None => None,
            Some(text) => {
                let day = text.parse();
                let day =
                    day.map_err(|_| bad("as_known_on", format!("'{text}' is no date; write it as YYYY-MM-DD")))?;
                Some(in_reach("as_known_on", day)?)
            }
        };
        Ok(ViewQuestion {
            by,
            reporting: self.reporting(config)?,
            organisation,
            as_known_on,
        })
    }

    pub fn group_by(&self) -> Result<GroupBy, ApiError> {
        let Some(text) = &self.by else {
            return Ok(GroupBy::Department);
        };
        GroupBy::parse(text).ok_or_else(|| ApiError::BadParameter {
            pointer: "by",
            detail: format!("'{text}' is none of department, person, project"),
        })
    }

    pub fn reporting(&self, config: &Config) -> Result<Reporting, ApiError> {
        let yen = Reporting::Yen(config.currency.yen());
        match (self.currency.as_deref(), config.currency.reporting) {
            (Some("JPY"), _) | (None, ReportingCurrency::Jpy) => Ok(yen),
            (Some("USD") | None, ReportingCurrency::Usd) => Ok(Reporting::Cents),
            (Some("USD"), ReportingCurrency::Jpy) => Ok(Reporting::AsBilled),
            (Some(text), _) => Err(ApiError::BadParameter {
                pointer: "currency",
                detail: format!("'{text}' is none of JPY, USD"),
            }),
        }
    }
}

/// A month's chargeback as it stands.
#[utoipa::path(
    get,
    path = "/api/v1/chargeback/{period}",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM"), ChargebackQuery),
    responses(
        (status = 200, body = ChargebackView),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn get_chargeback(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    Query(query): Query<ChargebackQuery>,
) -> Result<Json<ChargebackView>, ApiError> {
    let period = parse_period(&period)?;
    let question = query.question(&state.config)?;
    let by = question.by;
    let mut connection = state.database.pool.acquire().await?;
    authorize_view(
        &mut connection,
        &actor,
        by,
        &format!("chargeback {period} by {}", by.as_str()),
        &state,
    )
    .await?;
    let view = read(
        &mut connection,
        period,
        &question,
        &AsSeen::of(&state.config, state.clock),
    )
    .await?;
    Ok(Json(view.ok_or_else(|| nothing_to_show(period, &question))?))
}

pub fn parse_period(text: &str) -> Result<BillingPeriod, ApiError> {
    text.parse()
        .map_err(|e: crate::domain::period::PeriodError| ApiError::BadParameter {
            pointer: "period",
            detail: e.to_string(),
        })
}

pub fn not_loaded(period: BillingPeriod) -> ApiError {
    ApiError::NotFound(format!("no delivery of {period} is loaded"))
}

/// Why there is no view.
pub fn nothing_to_show(period: BillingPeriod, question: &ViewQuestion) -> ApiError {
    match question.as_known_on {
        None => not_loaded(period),
        Some(day) => ApiError::NotFound(format!("{period} had no sealed statement by {day}")),
    }
}

/// Checks the actor, and notes it where the view shows single people.
pub async fn authorize_view(
    connection: &mut PgConnection,
    actor: &Actor,
    by: GroupBy,
    question: &str,
    state: &AppState,
) -> Result<(), ApiError> {
    authorize(actor, Action::ReadChargeback)?;
    if by == GroupBy::Person {
        authorize(actor, Action::ReadPeople)?;
        crate::store::tokens::note_personal_data_read(connection, actor, question, state.clock.now()).await?;
    }
    Ok(())
}

/// Reads a month; `None` where nothing of it is loaded.  All of it is from one moment: a load that ends meanwhile is
/// seen whole or not at all.
pub async fn read(
    connection: &mut PgConnection,
    period: BillingPeriod,
    question: &ViewQuestion,
    seen: &AsSeen,
) -> StoreResult<Option<ChargebackView>> {
    let mut moment = begin_moment(connection).await?;
    let view = read_at(&mut moment, period, question, seen).await?;
    moment.commit().await?;
    Ok(view)
}

/// A transaction in which everything is of one moment.  It reads roll-ups only: a part of the charges that is swapped in
/// meanwhile would look empty to it.
pub async fn begin_moment(connection: &mut PgConnection) -> StoreResult<sqlx::Transaction<'_, sqlx::Postgres>> {
    let statement = "begin transaction isolation level repeatable read, read only";
    Ok(sqlx::Connection::begin_with(connection, statement).await?)
}

/// The same inside a moment of the caller's.
pub async fn read_at(
    moment: &mut PgConnection,
    period: BillingPeriod,
    question: &ViewQuestion,
    seen: &AsSeen,
) -> StoreResult<Option<ChargebackView>> {
    let (by, reporting) = (question.by, question.reporting);
    let names = names_of(moment, period, by).await?;
    let findings = period_findings(moment, period, period.next(), seen).await?;
    let directory = match question.organisation {
        Organisation::AtTheTime => None,
        Organisation::Today => Some(get_directory(moment).await?),
    };
    let today = directory.as_ref().map(|directory| directory.on(seen.now.date_naive()));
    let statement_id = match question.as_known_on {
        None => find_state(moment, period).await?.statement_id,
        Some(day) => match find_known_on(moment, period, day).await? {
            Some(statement_id) => Some(statement_id),
            None => return Ok(None),
        },
    };
    if let Some(statement_id) = statement_id {
        let sealed = SealedMonth::read(moment, statement_id, question, today.as_ref()).await?;
        // What is found today was not known then.
        let findings = if question.as_known_on.is_some() {
            Vec::new()
        } else {
            findings
        };
        let mut view = sealed.view(reporting, &names, findings);
        view.organisation = today.map(|today| today.day.to_string());
        return Ok(Some(view));
    }
    let Some(data_as_of) = chargeback::find_data_as_of(moment, period).await? else {
        return Ok(None);
    };
    let departments = list_departments(moment).await?;
    let leaves = match by {
        GroupBy::Department if today.is_some() => Leaves::People,
        GroupBy::Department => Leaves::None,
        GroupBy::Person => Leaves::People,
        GroupBy::Project => Leaves::Projects,
    };
    let books = assemble(moment, period, &departments, reporting, leaves).await?;
    let names = names_of(moment, period, by).await?;
    let mut findings = period_findings(moment, period, period.next(), seen).await?;
    findings.extend(
        books
            .findings
            .iter()
            .map(|finding| FindingView::new(Some(period), finding.clone())),
    );
    let unconverted = &books.converted.unconverted;
    findings.extend(
        unconverted
            .iter()
            .map(|(currency, amount)| no_rate(period, currency, *amount)),
    );
    let leaves = match leaves {
        Leaves::None => Vec::new(),
        Leaves::People | Leaves::Projects | Leaves::Whole => {
            spread_over_leaves(&books.ledger, &books.converted, &books.leaves).map_err(|_| StoreError::TooLarge)?
        }
    };
    let month = view_books(question, period, books.converted.postings, leaves, today.as_ref())?;
    let footing = Footing {
        basis: "bill",
        state: "open",
        data_as_of: Some(data_as_of),
        rates: rates(&books.rates, false),
        findings,
    };
    let mut view = view_of(&month, reporting, &names, footing, unconverted);
    view.organisation = today.map(|today| today.day.to_string());
    Ok(Some(view))
}

/// The rows that are asked for, of postings and, below departments, of their leaves.
pub(super) fn view_books(
    question: &ViewQuestion,
    period: BillingPeriod,
    mut postings: Vec<Posting>,
    mut leaves: Vec<LeafAmount>,
    today: Option<&DirectoryDay<'_>>,
) -> StoreResult<Chargeback> {
    if question.reporting == Reporting::Cents {
        round_to_cents(&mut postings, &mut leaves).map_err(|_| StoreError::TooLarge)?;
    }
    if let Some(today) = today {
        regroup(&mut leaves, today);
    }
    Ok(match question.by {
        GroupBy::Department if today.is_none() => Chargeback::by_department(period, &postings),
        by => Chargeback::by_leaf(period, by, &leaves, &postings),
    })
}

/// Puts every leaf under the department that has it on a day.
fn regroup(leaves: &mut [LeafAmount], day: &DirectoryDay<'_>) {
    for leaf in leaves {
        leaf.department = day.holder(&leaf.department, leaf.person.as_deref());
    }
}

/// A month as answers show it.
pub(super) fn view_of(
    month: &Chargeback,
    reporting: Reporting,
    names: &NamesByCode,
    footing: Footing,
    unconverted: &[(String, Amount)],
) -> ChargebackView {
    let currency = reporting.currency();
    let money = |amount| MoneyView::new(amount, currency);
    let rows = month.rows.iter().map(|row| {
        let name = row.code.as_ref().and_then(|code| names.get(code));
        let column = |column| money(row.column(column));
        ChargebackRowView {
            code: row.code.clone(),
            name: name.map(|(name, _)| name.clone()),
            name_ja: name.and_then(|(_, name_ja)| name_ja.clone()),
            direct: column(Column::Direct),
            allocated: column(Column::Allocated),
            discounts: column(Column::Discounts),
            credits: column(Column::Credits),
            refunds: column(Column::Refunds),
            other: column(Column::Other),
            total_before_tax: money(row.total_before_tax()),
            tax: column(Column::Tax),
            adjustments: column(Column::Adjustments),
            accruals: column(Column::Accruals),
            total: money(row.total()),
            share: share(month.share(row.total())),
            tokens: row.tokens.to_string(),
            lines: row.lines,
        }
    });
    let kept = |usage: bool| -> Vec<KeptView> {
        let of_kind = month
            .kept
            .iter()
            .filter(|kept| (kept.class == ChargeClass::Usage) == usage);
        let view = of_kind.map(|kept| KeptView {
            class: kept.class.as_str(),
            label: kept.label.clone(),
            state: kept.state.as_str(),
            amount: money(kept.amount),
            share: share(month.share(kept.amount)),
            lines: kept.lines,
        });
        view.collect()
    };
    ChargebackView {
        period: month.period.to_string(),
        by: month.by.as_str(),
        currency,
        organisation: None,
        footing,
        rows: rows.collect(),
        unattributed: kept(true),
        kept_visible: kept(false),
        total: money(month.total),
        unconverted: unconverted
            .iter()
            .map(|(currency, amount)| MoneyView::new(*amount, currency))
            .collect(),
    }
}

pub(super) type NamesByCode = std::collections::HashMap<String, (String, Option<String>)>;

async fn names_of(connection: &mut PgConnection, period: BillingPeriod, by: GroupBy) -> StoreResult<NamesByCode> {
    Ok(match by {
        GroupBy::Department => chargeback::list_department_names(connection, period)
            .await?
            .into_iter()
            .map(|(code, name, ja)| (code, (name, Some(ja).filter(|ja| !ja.is_empty()))))
            .collect(),
        GroupBy::Person => chargeback::list_person_names(connection, period)
            .await?
            .into_iter()
            .map(|(code, name)| (code, (name, None)))
            .collect(),
        GroupBy::Project => chargeback::list_project_names(connection, period)
            .await?
            .into_iter()
            .map(|(code, name)| (code, (name, None)))
            .collect(),
    })
}

fn no_rate(period: BillingPeriod, currency: &str, amount: Amount) -> FindingView {
    FindingView {
        code: "no_rate".to_owned(),
        severity: "error",
        subject: currency.to_owned(),
        message: format!("charges in {currency} cannot be converted and are not in the total"),
        action: "look at them in their own currency with 'anbun costs --by currency'".to_owned(),
        period: Some(period.to_string()),
        amount: Some(MoneyView::new(amount, currency)),
        lines: None,
    }
}
