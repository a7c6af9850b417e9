//! Departments' own statements: `GET` who was sent what and what they answered, `POST .../send`, `POST .../{department}/answer`.

use std::io::Write;
use std::path::Path as FilePath;

use anyhow::Context;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::acting::{bad, once, read};
use super::chargeback::parse_period;
use super::files::read_sealed;
use super::footing::{Footed, footed};
use super::view::MoneyView;
use crate::clock::Clock;
use crate::config::Config;
use crate::documents::department_letter::department_letter;
use crate::domain::actor::{Action, Actor, authorize};
use crate::domain::close::MonthState;
use crate::domain::department_statement::{DepartmentAnswer, check_answer};
use crate::domain::money::Amount;
use crate::domain::period::BillingPeriod;
use crate::http::AppState;
use crate::http::error::{ApiError, Problem};
use crate::messages::mail::{Attached, Mail, MailServer, written};
use crate::store::department_statements::{Answered, Sent, Standing, list_standings, note_answer, note_sent};
use crate::store::directory::get_directory;
use crate::store::month::find_state;
use crate::store::statements::find_statement;

/// How the departments of a month stand to their statements.
#[derive(Debug, Serialize, ToSchema)]
pub struct StandingsView {
    pub period: String,
    /// Of the statement.
    pub version: i32,
    pub data: Vec<StandingView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct StandingView {
    pub department: String,
    pub amount: MoneyView,
    /// The person to whom it was sent; null before.
    pub sent_to: Option<String>,
    pub sent_at: Option<String>,
    /// `received`, `disputed` or `settled`; null before the first answer.
    pub answer: Option<&'static str>,
    /// Yen that are disputed and not settled.
    pub disputed: MoneyView,
    pub reason: Option<String>,
    pub answered_by: Option<String>,
    pub answered_at: Option<String>,
}

impl StandingView {
    fn of(standing: &Standing) -> Self {
        let yen = |amount| MoneyView::new(amount, "JPY");
        let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let answered = standing.answered.as_ref();
        Self {
            department: standing.department.clone(),
            amount: yen(standing.amount),
            sent_to: standing.sent.as_ref().map(|sent| sent.person_id.clone()),
            sent_at: standing.sent.as_ref().map(|sent| time(sent.sent_at)),
            answer: answered.map(|answered| answered.answer.as_str()),
            disputed: yen(standing.disputed()),
            reason: answered
                .map(|answered| answered.reason.clone())
                .filter(|reason| !reason.is_empty()),
            answered_by: answered.map(|answered| answered.answered_by.clone()),
            answered_at: answered.map(|answered| time(answered.answered_at)),
        }
    }
}

/// What was sent, and what could not be.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct SentView {
    pub sent: Vec<String>,
    /// Departments without an owner, or whose letter the mail server did not take, each with why.
    pub left: Vec<LeftView>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct LeftView {
    pub department: String,
    pub because: String,
}

/// The statement that departments answer: one of a final month.
async fn final_statement(connection: &mut PgConnection, period: BillingPeriod) -> anyhow::Result<i32> {
    let state = find_state(connection, period).await?;
    let statement = state.statement_id.filter(|_| state.state >= MonthState::Final);
    statement.with_context(|| format!("{period} is {}: departments are told once it is final", state.state))
}

/// How the departments of a month stand; none before it is final.
pub async fn standings(connection: &mut PgConnection, period: BillingPeriod) -> anyhow::Result<StandingsView> {
    let statement_id = final_statement(connection, period).await?;
    let statement = find_statement(connection, statement_id).await?;
    let standings = list_standings(connection, statement_id).await?;
    Ok(StandingsView {
        period: period.to_string(),
        version: statement.version,
        data: standings.iter().map(StandingView::of).collect(),
    })
}

/// Which departments are sent their statement.
#[derive(Debug, Clone)]
pub struct SendQuestion {
    pub period: BillingPeriod,
    /// Only this one, sent before or not.
    pub department: Option<String>,
    /// To this person instead of the department's owner.
    pub to_person: Option<String>,
}

impl SendQuestion {
    /// All that were not sent it.
    pub const fn all(period: BillingPeriod) -> Self {
        Self {
            period,
            department: None,
            to_person: None,
        }
    }
}

/// Sends each department that has not been sent it, or the one that is asked, its statement; into a folder where one is named.
///
/// Where two people close a month, it is sent when the second has locked it.  The owner is the person who manages most people of the department today.  A letter is noted as sent once it is written or
/// the mail server has taken it.
pub async fn send(
    connection: &mut PgConnection,
    question: &SendQuestion,
    folder: Option<&FilePath>,
    config: &Config,
    (actor, clock): (&Actor, Clock),
) -> anyhow::Result<SentView> {
    authorize(actor, Action::CloseMonths)?;
    let period = question.period;
    let only = question.department.as_deref();
    let statement_id = final_statement(connection, period).await?;
    let statement = find_statement(connection, statement_id).await?;
    let is_locked = find_state(connection, period).await?.state == MonthState::Locked;
    anyhow::ensure!(
        is_locked || !statement.needs_approver(),
        "the statement of {period} is not approved yet: departments are sent theirs once somebody else than {} has locked it",
        statement.prepared_by
    );
    let standings = list_standings(connection, statement_id).await?;
    if let Some(code) = only
        && !standings.iter().any(|standing| standing.department == code)
    {
        anyhow::bail!("the statement of {period} charges no department '{code}'");
    }
    let from = config.mail.from.as_deref();
    let from = from.context("[mail] from is not set: name the sender of letters")?;
    let server = match (folder, config.mail.url.as_deref()) {
        (Some(folder), _) => {
            std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
            None
        }
        (None, Some(url)) => Some(MailServer::at(url)?),
        (None, None) => {
            anyhow::bail!("[mail] url is not set: name a server, or a folder for the letters with --folder")
        }
    };
    let sealed = read_sealed(connection, statement, false).await?;
    let directory = get_directory(connection).await?;
    let today = directory.on(clock.now().with_timezone(&config.calendar.time_zone).date_naive());
    let then = directory.on(period.days().to.pred_opt().unwrap_or(period.first_day()));
    let page = config
        .server
        .public_url
        .as_ref()
        .map(|url| format!("{}/chargeback/{period}", url.trim_end_matches('/')));
    let mut outcome = SentView::default();
    let wanted = standings.iter().filter(|standing| match only {
        Some(code) => standing.department == code,
        None => standing.sent.is_none(),
    });
    for standing in wanted {
        let code = &standing.department;
        let mut leave = |because: String| {
            outcome.left.push(LeftView {
                department: code.clone(),
                because,
            })
        };
        // Of a department that has ended: who managed it then, and who goes on for it.
        let successor = today.successor(code).map(|(successor, _)| successor.code.as_str());
        let ids = [
            question.to_person.as_deref(),
            today.manager_of(code),
            then.manager_of(code),
            successor.and_then(|code| today.manager_of(code)),
        ];
        let Some(owner) = ids.into_iter().flatten().find_map(|id| today.person(id)) else {
            leave(
                "nobody in the directory today manages its people; name somebody with --department and --to".to_owned(),
            );
            continue;
        };
        let letter = department_letter(&sealed, code, page.as_deref())?;
        let mail = Mail {
            from,
            to_name: &owner.name,
            to_address: &owner.email,
            subject: &letter.subject,
            text: &letter.text,
            attached: Some(Attached {
                file_name: &letter.file_name,
                table: &letter.table,
            }),
            id: None,
        };
        let sent = match (&server, folder) {
            (Some(server), _) => server.send(&mail).await.map_err(anyhow::Error::from),
            (None, Some(folder)) => written(&mail).map_err(anyhow::Error::from).and_then(|bytes| {
                let file = folder.join(letter.file_name.replace(".csv", ".eml"));
                let made = std::fs::File::options().write(true).create_new(true).open(&file);
                made.and_then(|mut made| made.write_all(&bytes))
                    .with_context(|| format!("{} cannot be written", file.display()))
            }),
            (None, None) => Ok(()),
        };
        match sent {
            Err(error) => leave(error.to_string()),
            Ok(()) => {
                let sent = Sent {
                    person_id: owner.person_id.clone(),
                    sent_by: actor.name.clone(),
                    sent_at: clock.now(),
                };
                note_sent(connection, statement_id, code, &sent).await?;
                outcome.sent.push(code.clone());
            }
        }
    }
    Ok(outcome)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AnswerRequest {
    /// `received`, `disputed` or `settled`.
    pub answer: String,
    /// Of a dispute: whole yen.
    pub jpy: Option<String>,
    /// Of a dispute and its settlement.
    #[serde(default)]
    pub reason: String,
}

/// Notes what a department answered.
pub async fn answer(
    connection: &mut PgConnection,
    (period, department): (BillingPeriod, &str),
    request: &AnswerRequest,
    (actor, clock): (&Actor, Clock),
) -> anyhow::Result<StandingsView> {
    authorize(actor, Action::CloseMonths)?;
    let said = DepartmentAnswer::parse(&request.answer)
        .with_context(|| format!("'{}' is none of received, disputed, settled", request.answer))?;
    let jpy = match &request.jpy {
        None => Amount::ZERO,
        Some(text) => Amount::parse(text).with_context(|| format!("'{text}' is no amount"))?,
    };
    let statement_id = final_statement(connection, period).await?;
    let standings = list_standings(connection, statement_id).await?;
    let standing = standings.iter().find(|standing| standing.department == department);
    let standing =
        standing.with_context(|| format!("the statement of {period} charges no department '{department}'"))?;
    let before = standing.answered.as_ref().map(|answered| answered.answer);
    check_answer(said, (jpy, standing.amount), &request.reason, before)?;
    let answered = Answered {
        answer: said,
        jpy: if said == DepartmentAnswer::Disputed {
            jpy
        } else {
            Amount::ZERO
        },
        reason: request.reason.trim().to_owned(),
        answered_by: actor.name.clone(),
        answered_at: clock.now(),
    };
    note_answer(connection, statement_id, department, &answered).await?;
    self::standings(connection, period).await
}

fn refused(error: anyhow::Error) -> ApiError {
    let error = match error.downcast::<crate::store::StoreError>() {
        Ok(error) => return error.into(),
        Err(error) => error,
    };
    match error.downcast::<crate::domain::actor::NotAllowed>() {
        Ok(error) => error.into(),
        Err(error) => ApiError::Conflict(error.to_string()),
    }
}

/// Who was sent their statement, and what they answered.
#[utoipa::path(
    get,
    path = "/api/v1/chargeback/{period}/departments",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM")),
    responses(
        (status = 200, body = Footed<StandingsView>),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The month is not final")
    )
)]
pub async fn get_standings(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
) -> Result<Json<Footed<StandingsView>>, ApiError> {
    let period = parse_period(&period)?;
    authorize(&actor, Action::ReadChargeback)?;
    let mut connection = state.database.pool.acquire().await?;
    let mut view = standings(&mut connection, period).await.map_err(refused)?;
    if authorize(&actor, Action::ReadPeople).is_err() {
        // Who it was sent to and what they wrote is about people.
        for standing in &mut view.data {
            standing.sent_to = None;
            standing.reason = None;
            standing.answered_by = None;
        }
    }
    Ok(Json(footed(&state, &mut connection, [period], view).await?))
}

/// Send every department that has not been sent it its own statement by e-mail.
#[utoipa::path(
    post,
    path = "/api/v1/chargeback/{period}/departments/send",
    tag = "chargeback",
    params(("period" = String, Path, description = "Month as YYYY-MM"), ("Idempotency-Key" = Option<String>, Header)),
    responses(
        (status = 200, body = SentView),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json", description = "The month is not final, or there is no mail server")
    )
)]
pub async fn send_statements(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path(period): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let period = parse_period(&period)?;
    authorize(&actor, Action::CloseMonths)?;
    let what = format!("send {period}");
    once(&state, &actor, &headers, &what, &Bytes::new(), async || {
        // On its own: a client that goes away must not stop it between a letter and the note that it was sent.
        let (state, actor) = (state.clone(), actor.clone());
        let sending = tokio::spawn(async move {
            let mut connection = state.database.pool.acquire().await?;
            let with = (&actor, state.clock);
            let question = SendQuestion::all(period);
            send(&mut connection, &question, None, &state.config, with).await
        });
        let sent = sending.await.map_err(|e| ApiError::Conflict(e.to_string()))?;
        Ok((StatusCode::OK, sent.map_err(refused)?))
    })
    .await
}

/// Note what a department answered to its statement.
#[utoipa::path(
    post,
    path = "/api/v1/chargeback/{period}/departments/{department}/answer",
    tag = "chargeback",
    params(
        ("period" = String, Path, description = "Month as YYYY-MM"),
        ("department" = String, Path),
        ("Idempotency-Key" = Option<String>, Header)
    ),
    request_body = AnswerRequest,
    responses(
        (status = 200, body = Footed<StandingsView>),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 409, body = Problem, content_type = "application/problem+json")
    )
)]
pub async fn post_answer(
    State(state): State<AppState>,
    Extension(actor): Extension<Actor>,
    Path((period, department)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let period = parse_period(&period)?;
    authorize(&actor, Action::CloseMonths)?;
    let request: AnswerRequest = read(&body)?;
    if DepartmentAnswer::parse(&request.answer).is_none() {
        let detail = format!("'{}' is none of received, disputed, settled", request.answer);
        return Err(bad("answer", detail));
    }
    once(
        &state,
        &actor,
        &headers,
        &format!("answer {period} {department}"),
        &body,
        async || {
            let mut connection = state.database.pool.acquire().await?;
            let about = (period, department.as_str());
            let view = answer(&mut connection, about, &request, (&actor, state.clock)).await;
            let view = view.map_err(refused)?;
            Ok((StatusCode::OK, footed(&state, &mut connection, [period], view).await?))
        },
    )
    .await
}
