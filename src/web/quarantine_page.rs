//! What nobody owns yet: each principal with its amount, a guess, whom to ask, and one form that decides it.
//!
//! A form first shows which yen would move; only the second press saves.  Everything it does is the API's.

use askama::Template;
use axum::Form;
use axum::extract::{Extension, Path, State};
use axum::response::Response;
use chrono::{Days, NaiveDate};
use serde::Deserialize;

use super::error_page::{PageError, render};
use super::figures::money;
use crate::api::chargeback::parse_period;
use crate::api::directory::DirectoryChangeView;
use crate::api::principals::{
    AskRequest, AssignRequest, PrincipalView, PrincipalsQuery, ask_by, assign_by, read_principals,
};
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::text::grouped;
use crate::http::AppState;
use crate::http::error::ApiError;

const SHOWN: i64 = 200;

/// Days until an answer is overdue, unless somebody says otherwise.
const ANSWER_WITHIN: Days = Days::new(3);

#[derive(Template)]
#[template(path = "quarantine.html")]
struct QuarantinePage {
    period: String,
    state: &'static str,
    entries: Vec<Entry>,
    is_more: bool,
    may_change: bool,
    remind_on: String,
    /// What the form that was sent came to.
    outcome: Option<Outcome>,
}

struct Entry {
    arn: String,
    reason: String,
    amount: String,
    /// What stands in the form.
    department: String,
    person: String,
    from: String,
    because: String,
    owner: Option<Owner>,
    question: String,
    is_overdue: bool,
}

struct Owner {
    person: String,
    name: String,
    because: &'static str,
    mail: String,
}

/// What a form would do, or did.
struct Outcome {
    message: String,
    is_error: bool,
    moved: Vec<MovedLine>,
    /// Of a preview: the form again, to save.
    to_save: Option<DecisionForm>,
}

struct MovedLine {
    period: String,
    department: String,
    before: String,
    after: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionForm {
    /// `preview`, `save` or `ask`.
    step: String,
    arn: String,
    #[serde(default)]
    department: String,
    #[serde(default)]
    person: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    any_session: String,
    #[serde(default)]
    remind_on: String,
}

pub(super) async fn show(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
) -> Result<Response, PageError> {
    page(&state, &actor, &period, None).await
}

pub(super) async fn decide(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    Form(form): Form<DecisionForm>,
) -> Result<Response, PageError> {
    authorize(&actor, Action::ChangeDirectory)?;
    // Before anything is saved: whoever may not see the page afterwards does not act on it.
    authorize(&actor, Action::ReadPeople)?;
    parse_period(&period)?;
    let outcome = match act(&state, &actor, &form).await {
        Ok(outcome) => outcome,
        Err(error @ (ApiError::Internal(_) | ApiError::NotAllowed)) => return Err(error.into()),
        Err(error) => Outcome {
            message: error.to_string(),
            is_error: true,
            moved: Vec::new(),
            to_save: None,
        },
    };
    page(&state, &actor, &period, Some(outcome)).await
}

async fn act(state: &AppState, actor: &Actor, form: &DecisionForm) -> Result<Outcome, ApiError> {
    if [&form.arn, &form.department, &form.person]
        .iter()
        .any(|field| field.contains('\0'))
    {
        let detail = "it holds a NUL".to_owned();
        return Err(ApiError::BadParameter {
            pointer: "form",
            detail,
        });
    }
    let day = |pointer, text: &str| -> Result<NaiveDate, ApiError> {
        let detail = format!("'{text}' is no date; write it as YYYY-MM-DD");
        text.parse().map_err(|_| ApiError::BadParameter { pointer, detail })
    };
    if form.step == "ask" {
        let request = AskRequest {
            arn: form.arn.clone(),
            person: form.person.clone(),
            remind_on: day("remind_on", &form.remind_on)?,
        };
        let asked = ask_by(state, actor, &request).await?;
        return Ok(Outcome {
            message: format!(
                "Noted: {} was asked; the answer is due before {}.",
                asked.person, asked.remind_on
            ),
            is_error: false,
            moved: Vec::new(),
            to_save: None,
        });
    }
    let is_preview = form.step != "save";
    let request = AssignRequest {
        arn: form.arn.clone(),
        department: Some(form.department.clone()),
        person: Some(form.person.clone()),
        kind: None,
        from: day("from", &form.from)?,
        to: None,
        any_session: form.any_session == "on",
        dry_run: is_preview,
    };
    let changed = assign_by(state, actor, &request).await?;
    let message = match (is_preview, changed.moved.is_empty()) {
        (true, true) => "Nothing would move in the open months. Save it?".to_owned(),
        (true, false) => "This would move the yen below. Save it?".to_owned(),
        (false, _) => "Saved. The months that are not closed follow it; closed ones stay.".to_owned(),
    };
    Ok(Outcome {
        message,
        is_error: false,
        moved: moved_lines(&changed),
        to_save: is_preview.then(|| form.clone()),
    })
}

fn moved_lines(changed: &DirectoryChangeView) -> Vec<MovedLine> {
    let lines = changed.moved.iter().map(|moved| MovedLine {
        period: moved.period.clone(),
        department: moved.department.clone().unwrap_or_else(|| "kept visible".to_owned()),
        before: grouped(&moved.before.amount),
        after: grouped(&moved.after.amount),
    });
    lines.collect()
}

async fn page(state: &AppState, actor: &Actor, period: &str, outcome: Option<Outcome>) -> Result<Response, PageError> {
    let first_day = parse_period(period)?.first_day();
    let query = PrincipalsQuery {
        period: Some(period.to_owned()),
        state: Some("quarantined".to_owned()),
        limit: Some(SHOWN),
        cursor: None,
    };
    let view = read_principals(state, actor, &query).await?;
    let today = state.today();
    let entries = view.data.iter().filter_map(|principal| entry(principal, first_day));
    Ok(render(&QuarantinePage {
        period: view.period.clone(),
        state: view.footing.state,
        entries: entries.collect(),
        is_more: view.next_cursor.is_some(),
        may_change: authorize(actor, Action::ChangeDirectory).is_ok(),
        remind_on: (today + ANSWER_WITHIN).to_string(),
        outcome,
    }))
}

fn entry(principal: &PrincipalView, first_day: NaiveDate) -> Option<Entry> {
    let arn = principal.arn.clone()?;
    let suggestion = principal.suggestion.as_ref();
    let question = principal.question.as_ref();
    Some(Entry {
        reason: principal.reason.clone().unwrap_or_default(),
        amount: money(&principal.cost),
        // One of them: a person brings the department along, and a guessed one must not stay beside a corrected department.
        department: suggestion
            .filter(|s| s.person.is_none())
            .map(|s| s.department.clone())
            .unwrap_or_default(),
        person: suggestion.and_then(|s| s.person.clone()).unwrap_or_default(),
        from: first_day.to_string(),
        because: suggestion.map(|s| s.because.clone()).unwrap_or_default(),
        owner: principal.likely_owner.as_ref().map(|owner| Owner {
            person: owner.person.clone(),
            name: owner.name.clone(),
            because: owner.because,
            mail: mail_to(&owner.email, &arn, &money(&principal.cost), first_day),
        }),
        question: question
            .map(|q| {
                format!(
                    "{} was asked by {} on {}, due {}",
                    q.person,
                    q.asked_by,
                    &q.asked_at[..10],
                    q.remind_on
                )
            })
            .unwrap_or_default(),
        is_overdue: question.is_some_and(|question| question.is_overdue),
        arn,
    })
}

/// A letter that the reader's mail program opens.
fn mail_to(email: &str, arn: &str, amount: &str, first_day: NaiveDate) -> String {
    let month = first_day.format("%Y年%-m月");
    let subject = format!("Claude利用料 {month}: この呼び出し元の利用部門を教えてください");
    let body = format!(
        "{month}のClaude利用料 {amount} について、利用部門が特定できていません。\r\n\r\n{arn}\r\n\r\nどの部門・どなたの利用かをご返信ください。\r\nWhose use is this? Please answer with the department or the person."
    );
    format!(
        "mailto:{}?subject={}&body={}",
        encoded(email),
        encoded(&subject),
        encoded(&body)
    )
}

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte);
    let encode = |byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}
