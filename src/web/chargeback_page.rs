//! The month on one page: departments, people, models, what nobody owns, findings.

use askama::Template;
use axum::extract::{Extension, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::error_page::{PageError, render};
use super::figures::{bar, millions, money, percent};
use crate::api::chargeback::{self, ChargebackQuery, ChargebackView, KeptView, ViewQuestion, not_loaded, parse_period};
use crate::api::findings::AsSeen;
use crate::api::view::{FindingView, MoneyView};
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::chargeback::GroupBy;
use crate::domain::text::grouped;
use crate::http::AppState;
use crate::http::query::Query;
use crate::store::chargeback::{ModelSum, list_periods, sum_models};
use crate::store::tokens;

const PEOPLE_SHOWN: usize = 25;
const FINDINGS_SHOWN: usize = 20;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    currency: Option<String>,
}

#[derive(Template)]
#[template(path = "chargeback.html")]
struct ChargebackPage {
    period: String,
    periods: Vec<String>,
    currency: &'static str,
    other_currency: &'static str,
    state: &'static str,
    data_as_of: String,
    rate: Option<String>,
    total: String,
    attributed: String,
    attributed_share: String,
    unattributed_total: String,
    kept_total: String,
    departments: Vec<Line>,
    people: Option<Vec<Line>>,
    people_count: usize,
    models: Vec<ModelLine>,
    unattributed: Vec<Line>,
    kept: Vec<Line>,
    errors: usize,
    warnings: usize,
    findings: Vec<FindingLine>,
    findings_left: usize,
}

struct Line {
    code: String,
    name: String,
    /// Own usage, and everything else that is charged.
    direct: String,
    beside: String,
    amount: String,
    share: String,
    bar: u8,
    tokens: String,
}

struct ModelLine {
    model: String,
    amount: String,
    bar: u8,
    input: String,
    output: String,
    cache_read: String,
    cache_write: String,
}

struct FindingLine {
    severity: &'static str,
    subject: String,
    message: String,
    action: String,
    amount: String,
}

#[derive(Template)]
#[template(path = "nothing_loaded.html")]
struct NothingLoadedPage;

/// The newest month, or how to load one.
pub(super) async fn newest(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
) -> Result<Response, PageError> {
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    Ok(match list_periods(&mut connection).await?.first() {
        Some(newest) => Redirect::temporary(&format!("/chargeback/{}", newest.period)).into_response(),
        None => render(&NothingLoadedPage),
    })
}

pub(super) async fn month(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    Query(query): Query<PageQuery>,
) -> Result<Response, PageError> {
    let period = parse_period(&period)?;
    let reporting = ChargebackQuery {
        currency: query.currency,
        ..ChargebackQuery::default()
    }
    .reporting(&state.config)?;
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let sees_people = authorize(&actor, Action::ReadPeople).is_ok();
    if sees_people {
        let question = format!("chargeback page of {period}");
        tokens::note_personal_data_read(&mut connection, &actor, &question, state.clock.now()).await?;
    }
    let seen = AsSeen::of(&state.config, state.clock);
    let mut moment = chargeback::begin_moment(&mut connection).await?;
    let view = chargeback::read_at(
        &mut moment,
        period,
        &ViewQuestion::of(GroupBy::Department, reporting),
        &seen,
    )
    .await?;
    let view = view.ok_or_else(|| not_loaded(period))?;
    let people = if sees_people {
        chargeback::read_at(
            &mut moment,
            period,
            &ViewQuestion::of(GroupBy::Person, reporting),
            &seen,
        )
        .await?
    } else {
        None
    };
    let models = sum_models(&mut moment, period).await?;
    let periods = list_periods(&mut moment)
        .await?
        .iter()
        .map(|loaded| loaded.period.to_string())
        .collect();
    Ok(render(&page(&view, people.as_ref(), &models, periods)))
}

fn page(
    view: &ChargebackView,
    people: Option<&ChargebackView>,
    models: &[ModelSum],
    periods: Vec<String>,
) -> ChargebackPage {
    let sum = |amounts: &mut dyn Iterator<Item = &MoneyView>| MoneyView {
        amount: amounts
            .filter_map(|m| m.amount.parse::<rust_decimal::Decimal>().ok())
            .sum::<rust_decimal::Decimal>()
            .to_string(),
        currency: view.currency.to_owned(),
    };
    let attributed = sum(&mut view.rows.iter().map(|row| &row.total));
    let unattributed = sum(&mut view.unattributed.iter().map(|kept| &kept.amount));
    let kept = sum(&mut view.kept_visible.iter().map(|kept| &kept.amount));
    let of_usage = |part: &MoneyView| -> Option<String> {
        let (part, other) = (
            part.amount.parse::<rust_decimal::Decimal>().ok()?,
            unattributed.amount.parse::<rust_decimal::Decimal>().ok()?,
        );
        part.checked_div(part + other).map(|share| share.to_string())
    };
    let serious: Vec<&FindingView> = view.footing.findings.iter().filter(|f| f.is_for_people()).collect();
    let count = |severity| serious.iter().filter(|f| f.severity == severity).count();
    ChargebackPage {
        period: view.period.clone(),
        periods,
        currency: view.currency,
        other_currency: if view.currency == "JPY" { "USD" } else { "JPY" },
        state: view.footing.state,
        data_as_of: view
            .footing
            .data_as_of
            .map(|t| t.format("%Y-%m-%d %H:%M UTC").to_string())
            .unwrap_or_default(),
        rate: view
            .footing
            .rates
            .first()
            .map(|rate| format!("¥{} a dollar, {} rate", rate.value, rate.kind)),
        total: money(&view.total),
        attributed: money(&attributed),
        attributed_share: percent(of_usage(&attributed).as_deref()),
        unattributed_total: money(&unattributed),
        kept_total: money(&kept),
        departments: rows_of(view, view.rows.len()),
        people: people.map(|people| rows_of(people, PEOPLE_SHOWN)),
        people_count: people.map_or(0, |people| people.rows.iter().filter(|row| row.code.is_some()).count()),
        models: model_lines(models),
        unattributed: kept_lines(&view.unattributed),
        kept: kept_lines(&view.kept_visible),
        errors: count("error"),
        warnings: count("warning"),
        findings: serious.iter().take(FINDINGS_SHOWN).map(|f| finding_line(f)).collect(),
        findings_left: serious.len().saturating_sub(FINDINGS_SHOWN),
    }
}

fn rows_of(view: &ChargebackView, most: usize) -> Vec<Line> {
    let largest = view.rows.first().map_or("0", |row| row.total.amount.as_str());
    let lines = view.rows.iter().take(most).map(|row| Line {
        code: row.code.clone().unwrap_or_else(|| "no person known".to_owned()),
        name: row.name_ja.as_ref().or(row.name.as_ref()).cloned().unwrap_or_default(),
        direct: money(&row.direct),
        beside: beside(&row.total, &row.direct),
        amount: money(&row.total),
        share: percent(row.share.as_deref()),
        bar: bar(&row.total.amount, largest),
        tokens: millions(&row.tokens),
    });
    lines.collect()
}

/// What is charged besides own usage; empty where nothing is.
fn beside(total: &MoneyView, direct: &MoneyView) -> String {
    let exact = |money: &MoneyView| money.amount.parse::<rust_decimal::Decimal>().unwrap_or_default();
    let rest = exact(total) - exact(direct);
    if rest.is_zero() {
        return String::new();
    }
    money(&MoneyView {
        amount: rest.to_string(),
        currency: total.currency.clone(),
    })
}

fn kept_lines(kept: &[KeptView]) -> Vec<Line> {
    let lines = kept.iter().map(|kept| Line {
        code: kept.label.clone(),
        name: if kept.class == "usage" {
            reason_in_words(&kept.label).to_owned()
        } else {
            kept.class.to_owned()
        },
        direct: String::new(),
        beside: String::new(),
        amount: money(&kept.amount),
        share: percent(kept.share.as_deref()),
        bar: 0,
        tokens: String::new(),
    });
    lines.collect()
}

fn reason_in_words(reason: &str) -> &'static str {
    match reason {
        "unparsed" => "no rule says anything about the principal",
        "ambiguous" => "the evidence contradicts itself",
        "unknown_department" => "the evidence names a department that the directory does not have",
        "unknown_person" => "the evidence names a person whom the directory does not have",
        "shared_principal" => "many people behind one role",
        "no_principal" => "the bill names no caller",
        "before_activation" => "used before AWS recorded callers",
        _ => "",
    }
}

fn model_lines(models: &[ModelSum]) -> Vec<ModelLine> {
    let largest = models.iter().map(|m| m.cost).max().unwrap_or_default().to_string();
    let lines = models.iter().map(|m| ModelLine {
        model: m
            .model
            .clone()
            .unwrap_or_else(|| m.line_kind.clone().unwrap_or_default()),
        amount: money(&MoneyView::new(m.cost, &m.currency)),
        bar: bar(&m.cost.to_string(), &largest),
        input: millions(&m.input_tokens.to_string()),
        output: millions(&m.output_tokens.to_string()),
        cache_read: millions(&m.cache_read_tokens.to_string()),
        cache_write: millions(&m.cache_write_tokens.to_string()),
    });
    lines.collect()
}

fn finding_line(finding: &FindingView) -> FindingLine {
    FindingLine {
        severity: finding.severity,
        subject: finding.subject.clone(),
        message: finding.message.clone(),
        action: finding.action.clone(),
        amount: finding
            .amount
            .as_ref()
            .map(|m| format!("{} {}", grouped(&m.amount), m.currency))
            .unwrap_or_default(),
    }
}
