//! `GET /api/v1/chargeback/{period}`: a month as it stands.

use axum::Json;
use axum::extract::{Extension, Path, State};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::{IntoParams, ToSchema};

use super::findings::{AsSeen, period_findings};
use super::sealed::SealedMonth;
use super::view::{FindingView, Footing, MoneyView, rates, share};
use crate::config::{Config, ReportingCurrency};
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::books::Column;
use crate::domain::charge::ChargeClass;
use crate::domain::chargeback::{Chargeback, GroupBy, Reporting};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::http::query::Query;
use crate::store::books::{Leaves, assemble};
use crate::store::directory::list_departments;
use crate::store::month::find_state;
use crate::store::{StoreError, StoreResult, chargeback};

/// A month per department, person or project.  `total` is the sum of all rows, `unattributed` and `kept_visible`.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChargebackView {
    pub period: String,
    pub by: &'static str,
    pub currency: &'static str,
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

/// `direct` + `allocated` + `discounts` + `credits` + `refunds` + `other` = `total_before_tax`; with `tax` and
/// `adjustments` it is `total`.
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
    /// `JPY` or `USD`; the reporting currency of the settings by default.
    pub currency: Option<String>,
}

impl ChargebackQuery {
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
        let yen = Reporting::Yen {
            planning_rate: config.currency.planning_rate,
        };
        match (self.currency.as_deref(), config.currency.reporting) {
            (Some("JPY"), _) | (None, ReportingCurrency::Jpy) => Ok(yen),
            (Some("USD"), _) | (None, ReportingCurrency::Usd) => Ok(Reporting::Usd),
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
    let by = query.group_by()?;
    let reporting = query.reporting(&state.config)?;
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
        by,
        reporting,
        &AsSeen::of(&state.config, state.clock),
    )
    .await?;
    Ok(Json(view.ok_or_else(|| not_loaded(period))?))
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
    by: GroupBy,
    reporting: Reporting,
    seen: &AsSeen,
) -> StoreResult<Option<ChargebackView>> {
    let mut moment = begin_moment(connection).await?;
    let view = read_at(&mut moment, period, by, reporting, seen).await?;
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
    by: GroupBy,
    reporting: Reporting,
    seen: &AsSeen,
) -> StoreResult<Option<ChargebackView>> {
    let names = names_of(moment, period, by).await?;
    let findings = period_findings(moment, period, period.next(), seen).await?;
    if let Some(statement_id) = find_state(moment, period).await?.statement_id {
        let sealed = SealedMonth::read(moment, statement_id, by, reporting).await?;
        return Ok(Some(sealed.view(reporting, &names, findings)));
    }
    let Some(data_as_of) = chargeback::find_data_as_of(moment, period).await? else {
        return Ok(None);
    };
    let departments = list_departments(moment).await?;
    let leaves = match by {
        GroupBy::Department => Leaves::None,
        GroupBy::Person => Leaves::People,
        GroupBy::Project => Leaves::Whole,
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
    let month =
        Chargeback::build(by, &books.ledger, &books.converted, &books.leaves).map_err(|_| StoreError::TooLarge)?;
    let footing = Footing {
        basis: "bill",
        state: "open",
        data_as_of: Some(data_as_of),
        rates: rates(&books.rates, false),
        findings,
    };
    Ok(Some(view_of(&month, reporting, &names, footing, unconverted)))
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
            accruals: money(Amount::ZERO),
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

/// What amounts of a month in their own currency rest on.
pub async fn footing(connection: &mut PgConnection, period: BillingPeriod, seen: &AsSeen) -> StoreResult<Footing> {
    let data_as_of = chargeback::find_data_as_of(connection, period).await?;
    let findings = period_findings(connection, period, period.next(), seen).await?;
    let state = find_state(connection, period).await?.state;
    Ok(Footing {
        basis: "bill",
        state: state.as_str(),
        data_as_of,
        rates: Vec::new(),
        findings,
    })
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
