//! Job `fetch-cost-explorer`: asks Cost Explorer for the days that it has not been asked, and compares with the bill.
//!
//! Runs once a day.  Reads at most as many pages as the settings allow in a UTC day, the newest days first, then what is
//! missing or was an estimate; writes whole answers only.  Safe to repeat: a final day is not asked again.  When the day's
//! requests are used up the run says so as a finding, ends well, and goes on the next day.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use sqlx::PgConnection;

use super::{CostExplorerSettings, JobContext, RunReport};
use crate::domain::cost_explorer::{
    Ages, MAX_WINDOW_DAYS, PRINCIPAL_TAG_PREFIX, TotalsKind, Window, compare_records, compare_tag, compare_usage,
    history_from, plan,
};
use crate::domain::finding::{Finding, Severity};
use crate::domain::period::{BillingPeriod, DayRange};
use crate::sources::aws::AwsFailure;
use crate::sources::cost_explorer::{AllocationTag, CostExplorer, Page};
use crate::sources::identity::fetch_identity;
use crate::store::StoreError;
use crate::store::cost_explorer::{self as store, Answer, PayerMonths, PrincipalTag, TagStatus, Unfinished};

const SOURCE: &str = "cost-explorer";
/// With fewer requests than this, questions are kept to a month, so that each is answered within a day.
const REQUESTS_FOR_A_QUARTER: i64 = 20;
const MONTH_DAYS: u64 = 31;
/// After a page token has run out, questions are kept to a week.
const WEEK_DAYS: u64 = 7;

/// Why the asking ended.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error("the requests of the day are used up")]
    UsedUp,
    #[error(transparent)]
    Aws(#[from] AwsFailure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub(super) async fn fetch_cost_explorer(with: &JobContext, report: &mut RunReport) -> anyhow::Result<()> {
    let Some(settings) = &with.cost_explorer else {
        return Ok(());
    };
    let mut connection = with.database.pool.acquire().await.map_err(StoreError::from)?;
    let months = store::list_payer_months(&mut connection).await?;
    let payer = match payer_of(settings, &months).await {
        Ok(payer) => payer,
        Err(error) => {
            unreadable(error, report);
            return Ok(());
        }
    };
    let client = CostExplorer::connect(&settings.access).await;
    let mut asking = Asking {
        client,
        settings,
        with,
        payer: &payer,
        connection: &mut connection,
        requests: 0,
    };
    let ended = asking.ask_everything().await;
    let requests = asking.requests;
    report.count("requests", requests);
    report.cost = store::price_of(requests);
    match ended {
        Ok(answered) => report.count("questions_answered", answered),
        Err(Ended::UsedUp) => report.find(None, SOURCE, used_up(settings)),
        Err(Ended::Aws(failure)) => unreadable(anyhow::Error::new(failure), report),
        Err(Ended::Store(error)) => return Err(error.into()),
    }
    compare(&mut connection, &payer, &months, with, report).await
}

/// What was found before stays, and that it is of before.
fn unreadable(error: anyhow::Error, report: &mut RunReport) {
    let message = format!("Cost Explorer cannot be asked, so the bill is not cross-checked: {error:#}");
    let action = "do what the message says; the next run goes on";
    let finding = Finding::new(
        "cost_explorer_unreadable",
        Severity::Warning,
        "Cost Explorer",
        message,
        action,
    );
    report.find(None, SOURCE, finding);
    report.failures.push(error);
}

fn used_up(settings: &CostExplorerSettings) -> Finding {
    let most = settings.max_requests_per_day;
    Finding::new(
        "cost_explorer_budget_used",
        Severity::Warning,
        "Cost Explorer",
        format!("all {most} requests of this UTC day are used, so not every day is cross-checked yet"),
        "nothing, the next days go on; or once 'anbun ingest cost-explorer --max-requests 60', at 0.01 USD a request",
    )
}

/// The account whose Cost Explorer answers.
async fn payer_of(settings: &CostExplorerSettings, months: &PayerMonths) -> anyhow::Result<String> {
    if let Some(payer) = &settings.payer {
        return Ok(payer.clone());
    }
    if let Ok(identity) = fetch_identity(&settings.access).await
        && (months.contains_key(&identity.account) || months.is_empty())
    {
        return Ok(identity.account);
    }
    // A member account with a shared billing view answers for the payer whose bill is loaded.
    let mut payers = months.keys();
    let only = payers.next().filter(|_| payers.next().is_none());
    only.cloned()
        .context("several payers are loaded; name the one that Cost Explorer is asked in as [cost_explorer] payer")
}

struct Asking<'a> {
    client: CostExplorer,
    settings: &'a CostExplorerSettings,
    with: &'a JobContext,
    payer: &'a str,
    connection: &'a mut PgConnection,
    requests: i64,
}

impl Asking<'_> {
    /// Asks until nothing is left to ask; how many questions were answered.
    async fn ask_everything(&mut self) -> Result<i64, Ended> {
        let services = self.services().await?;
        let tags = self.active_tags().await?;
        if services.is_empty() {
            return Ok(0);
        }
        let windows = self.plan(&tags).await?;
        let mut answered = 0;
        for window in windows {
            self.ask(&services, window).await?;
            answered += 1;
        }
        Ok(answered)
    }

    /// Takes one of the day's requests.
    async fn reserve(&mut self, operation: &str, asked: &str) -> Result<(), Ended> {
        let now = self.with.clock.now();
        let most = self.settings.max_requests_per_day;
        if store::reserve_request(self.connection, now, operation, asked, most).await? {
            self.requests += 1;
            Ok(())
        } else {
            Err(Ended::UsedUp)
        }
    }

    fn was_today(&self, at: Option<chrono::DateTime<chrono::Utc>>) -> bool {
        at.is_some_and(|at| at.date_naive() == self.with.clock.now().date_naive())
    }

    /// Bedrock's services, looked for once a day.
    async fn services(&mut self) -> Result<Vec<String>, Ended> {
        let (known, found_at) = store::list_services(self.connection, self.payer).await?;
        if self.was_today(found_at) {
            return Ok(known);
        }
        let today = self.with.clock.now().date_naive();
        let days = DayRange {
            from: history_from(today),
            to: today + chrono::Days::new(1),
        };
        let mut found: BTreeSet<String> = BTreeSet::new();
        let mut page = None;
        loop {
            self.reserve("GetDimensionValues", "services").await?;
            let answer = self.client.fetch_services(days, page).await?;
            found.extend(answer.values);
            page = answer.next;
            if page.is_none() {
                break;
            }
        }
        // A service that was billed once can be corrected later, when nothing new is billed by it.
        found.extend(known);
        let found: Vec<String> = found.into_iter().collect();
        store::replace_services(self.connection, self.payer, &found, self.with.clock.now()).await?;
        Ok(found)
    }

    /// Principal tags that are active, looked for once a day.
    async fn active_tags(&mut self) -> Result<Vec<String>, Ended> {
        let wanted: Vec<String> = self
            .settings
            .tag_keys
            .iter()
            .map(|key| format!("{PRINCIPAL_TAG_PREFIX}{key}"))
            .collect();
        if wanted.is_empty() {
            return Ok(wanted);
        }
        let (known, checked_at) = store::list_tags(self.connection, self.payer).await?;
        let has_all = wanted.iter().all(|key| known.iter().any(|tag| tag.key == *key));
        let tags = if self.was_today(checked_at) && has_all {
            known
        } else {
            self.fetch_tags(&wanted).await?
        };
        let active = tags
            .into_iter()
            .filter(|tag| tag.status == TagStatus::Active && wanted.contains(&tag.key));
        Ok(active.map(|tag| tag.key).collect())
    }

    async fn fetch_tags(&mut self, wanted: &[String]) -> Result<Vec<PrincipalTag>, Ended> {
        let mut found: Vec<AllocationTag> = Vec::new();
        let mut page = None;
        loop {
            self.reserve("ListCostAllocationTags", &wanted.join(" ")).await?;
            let Page { values, next } = self.client.fetch_tags(wanted, page).await?;
            found.extend(values);
            page = next;
            if page.is_none() {
                break;
            }
        }
        let tags: Vec<PrincipalTag> = wanted.iter().map(|key| standing(key, &found)).collect();
        store::replace_tags(self.connection, self.payer, &tags, self.with.clock.now()).await?;
        Ok(tags)
    }

    async fn plan(&mut self, tags: &[String]) -> Result<Vec<Window>, Ended> {
        let now = self.with.clock.now();
        let mut known = store::list_days(self.connection, self.payer).await?;
        let kinds = [TotalsKind::UsageType, TotalsKind::RecordType]
            .into_iter()
            .chain(tags.iter().cloned().map(TotalsKind::Tag));
        let kinds = kinds.map(|kind| {
            let days = known.remove(&kind).unwrap_or_default();
            (kind, days)
        });
        let asked_today = store::count_requests(self.connection, now.date_naive()).await?;
        let left = i64::from(self.settings.max_requests_per_day) - asked_today;
        let window_days = if left >= REQUESTS_FOR_A_QUARTER {
            MAX_WINDOW_DAYS
        } else {
            MONTH_DAYS
        };
        let kinds: BTreeMap<_, _> = kinds.collect();
        let mut windows = plan(&kinds, now, window_days);
        for kind in kinds.keys() {
            for unfinished in store::list_unfinished(self.connection, self.payer, kind).await? {
                let days = unfinished.answer.days;
                if !resume_first(&mut windows, unfinished.answer, now.date_naive()) {
                    store::forget_unfinished(self.connection, self.payer, kind, days).await?;
                }
            }
        }
        if let Some(period) = self.settings.period {
            windows.retain(|window| window.days.from < period.days().to && period.days().from < window.days.to);
        }
        Ok(windows)
    }

    /// Asks one question to its last page, going on where an earlier run had to end.
    async fn ask(&mut self, services: &[String], window: Window) -> Result<(), Ended> {
        let unfinished = store::list_unfinished(self.connection, self.payer, &window.kind).await?;
        let resumed = unfinished
            .into_iter()
            .find(|unfinished| unfinished.answer.days == window.days);
        let (answer, page) = match resumed {
            Some(unfinished) => (unfinished.answer, Some(unfinished.next_page_token)),
            None => (empty_answer(&window), None),
        };
        let was_resumed = page.is_some();
        match self.fetch_pages(services, answer, page).await {
            Err(Ended::Aws(failure)) if is_stale_token(&failure) => {
                store::forget_unfinished(self.connection, self.payer, &window.kind, window.days).await?;
                tracing::warn!(kind = %window.kind, resumed = was_resumed, "a page token ran out; asking again in weeks");
                let mut from = window.days.from;
                while from < window.days.to {
                    let to = (from + chrono::Days::new(WEEK_DAYS)).min(window.days.to);
                    let days = DayRange { from, to };
                    let week = empty_answer(&Window {
                        kind: window.kind.clone(),
                        days,
                    });
                    self.fetch_pages(services, week, None).await?;
                    from = to;
                }
                Ok(())
            }
            other => other,
        }
    }

    async fn fetch_pages(
        &mut self,
        services: &[String],
        mut answer: Answer,
        mut page: Option<String>,
    ) -> Result<(), Ended> {
        loop {
            let asked = format!("{} {} to {}", answer.kind, answer.days.from, answer.days.to);
            self.reserve("GetCostAndUsage", &asked).await?;
            let fetched = self
                .client
                .fetch_totals(&answer.kind, services, answer.days, page.take())
                .await?;
            answer.totals.extend(fetched.totals);
            for (day, is_estimated) in fetched.days {
                *answer.estimated.entry(day).or_default() |= is_estimated;
            }
            let Some(next_page_token) = fetched.next else { break };
            // A page that is paid for is kept, whatever happens to the next one.
            let unfinished = Unfinished {
                answer,
                next_page_token,
            };
            store::put_unfinished(self.connection, self.payer, &unfinished).await?;
            answer = unfinished.answer;
            page = Some(unfinished.next_page_token);
        }
        let now = self.with.clock.now();
        Ok(store::replace_answer(self.connection, self.payer, &answer, now).await?)
    }
}

/// Pages that were paid for come before other old days; what they overlap with is planned anew by the next run.  False where
/// the newest days have overtaken them.
fn resume_first(windows: &mut Vec<Window>, unfinished: Answer, today: chrono::NaiveDate) -> bool {
    let days = unfinished.days;
    let is_fresh = |window: &Window| window.days.to > today;
    let overlaps =
        |window: &Window| window.kind == unfinished.kind && window.days.from < days.to && days.from < window.days.to;
    if windows.iter().any(|window| is_fresh(window) && overlaps(window)) {
        return windows
            .iter()
            .any(|window| window.kind == unfinished.kind && window.days == days);
    }
    windows.retain(|window| !overlaps(window));
    let after_fresh = windows
        .iter()
        .position(|window| !is_fresh(window))
        .unwrap_or(windows.len());
    let kind = unfinished.kind;
    windows.insert(after_fresh, Window { kind, days });
    true
}

fn standing(key: &str, found: &[AllocationTag]) -> PrincipalTag {
    let tag = found.iter().find(|tag| tag.key == key);
    PrincipalTag {
        key: key.to_owned(),
        status: match tag {
            Some(tag) if tag.is_active => TagStatus::Active,
            Some(_) => TagStatus::Seen,
            None => TagStatus::NeverSeen,
        },
        last_used: tag.and_then(|tag| tag.last_used),
    }
}

fn empty_answer(window: &Window) -> Answer {
    Answer {
        kind: window.kind.clone(),
        days: window.days,
        estimated: BTreeMap::new(),
        totals: Vec::new(),
    }
}

fn is_stale_token(failure: &AwsFailure) -> bool {
    matches!(
        failure.code.as_deref(),
        Some("InvalidNextTokenException" | "RequestChangedException")
    )
}

/// Names every difference in the months whose bill is loaded.
async fn compare(
    connection: &mut PgConnection,
    payer: &str,
    months: &PayerMonths,
    with: &JobContext,
    report: &mut RunReport,
) -> anyhow::Result<()> {
    // Older months were compared when Cost Explorer could still be asked for them.
    let oldest = BillingPeriod::of(history_from(with.clock.now().date_naive()));
    let delivered_at: BTreeMap<_, _> = months
        .get(payer)
        .into_iter()
        .flat_map(|months| months.range(oldest..))
        .map(|(p, at)| (*p, *at))
        .collect();
    let Some((first, _)) = delivered_at.first_key_value() else {
        return Ok(());
    };
    let first_day = first.first_day();
    let mut known = store::list_days(connection, payer).await?;
    let mut ages_of = |kind: &TotalsKind| {
        let mut asked = known.remove(kind).unwrap_or_default();
        asked.retain(|day, _| delivered_at.contains_key(&BillingPeriod::of(*day)));
        let delivered_at = delivered_at.clone();
        Ages { asked, delivered_at }
    };
    let billed = store::list_billed(connection, payer, first_day).await?;
    let (usage, records): (Vec<_>, Vec<_>) = billed.into_iter().partition(|own| own.charge_type == "Usage");
    let ages = ages_of(&TotalsKind::UsageType);
    report.count("days_compared", i64::try_from(ages.asked.len())?);
    let explorer = store::list_totals(connection, payer, &TotalsKind::UsageType).await?;
    let mut found = compare_usage(&usage, &explorer, &ages);
    let mut explorer = store::list_totals(connection, payer, &TotalsKind::RecordType).await?;
    explorer.retain(|other| other.charge_type != "Usage");
    found.extend(compare_records(&records, &explorer, &ages_of(&TotalsKind::RecordType)));
    for (tag, status) in active_tags(connection, payer).await? {
        let kind = TotalsKind::Tag(tag.clone());
        let mut ages = ages_of(&kind);
        // Before a tag was used there is nothing to agree on.
        ages.asked.retain(|day, _| status.is_some_and(|used| *day <= used));
        let explorer = within(store::list_tag_totals(connection, payer, &kind).await?, &ages);
        let billed = within(
            store::list_billed_by_tag(connection, payer, first_day, &tag).await?,
            &ages,
        );
        found.extend(compare_tag(&tag, &billed, &explorer, &ages));
    }
    report.count("differences", i64::try_from(found.len())?);
    for (period, finding) in found {
        report.find(Some(period), SOURCE, finding);
    }
    report.examined.insert(SOURCE.to_owned());
    Ok(())
}

/// Active tags, and when each was last used.
async fn active_tags(
    connection: &mut PgConnection,
    payer: &str,
) -> anyhow::Result<Vec<(String, Option<chrono::NaiveDate>)>> {
    let (tags, _) = store::list_tags(connection, payer).await?;
    let active = tags.into_iter().filter(|tag| tag.status == TagStatus::Active);
    Ok(active.map(|tag| (tag.key, tag.last_used)).collect())
}

fn within(mut totals: store::TagTotals, ages: &Ages) -> store::TagTotals {
    totals.retain(|(day, _), _| ages.asked.contains_key(day));
    totals
}
