//! The program is killed at any moment between a look, a message and its note: nothing is told twice, nothing is lost.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use super::{Desk, used};
use crate::peers::slack::Act;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const RUNS: usize = 200;

#[tokio::test]
async fn killed_two_hundred_times_each_alert_comes_once() {
    let desk = Desk::open("crash").await;
    desk.budgets("First,department,sales,month,JPY,1000000000,150,2026-04,,C-first,100%\n")
        .await;
    // The program's own clock runs here, so the month is the one that it is.
    let today = anbun::clock::Clock::System.now().date_naive();
    let period = anbun::domain::period::BillingPeriod::of(today);
    desk.company.deliver(&period.to_string(), &used(1..=1, 10.0)).await;
    desk.company.run(&["alerts", "send"]).await;
    let acts = [
        Act::Accept,
        Act::Accept,
        Act::AcceptAnd500,
        Act::AcceptAndBreak,
        Act::Break,
        Act::AcceptAndHang,
        Act::Limit(1),
    ];
    let mut random = StdRng::seed_from_u64(5);
    for nth in 0..RUNS {
        add_budget(&desk, nth).await;
        // What a pause or a lease would take is taken as passed.
        desk.sql("update outbox set not_before = least(not_before, now()), leased_until = least(leased_until, now())")
            .await;
        let act = acts[random.random_range(0..acts.len())];
        desk.slack.always(Some(act));
        let mut command = desk.company.installation.command(&["alerts", "send"]);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(random.random_range(20..350))).await;
        process.kill().unwrap();
        process.wait().unwrap();
    }
    desk.slack.always(None);
    for _ in 0..60 {
        desk.sql("update outbox set not_before = least(not_before, now()), leased_until = least(leased_until, now())")
            .await;
        let ended = desk.company.installation.run(&["alerts", "send"]).await;
        if ended.status.success() {
            break;
        }
    }
    let mut told: BTreeMap<String, usize> = BTreeMap::new();
    for message in desk.slack.messages() {
        *told.entry(message.channel).or_default() += 1;
    }
    let twice: Vec<_> = told.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    assert_eq!(told.len(), RUNS, "some were lost");
    let unsent: i64 = sqlx::query_scalar("select count(*) from outbox where state <> 'sent'")
        .fetch_one(&desk.context.database.pool)
        .await
        .unwrap();
    assert_eq!(unsent, 0);
}

const WEBHOOK_RUNS: usize = 60;

/// What took a message cannot be asked whether it did: each comes at most twice, the second time marked, and what nobody can know of
/// after that is given up and told.
#[tokio::test]
async fn killed_sixty_times_a_webhook_repeats_at_most_once() {
    let desk = Desk::open("crash-hook").await;
    desk.company.installation.settings(&format!(
        "[alerts]\nwebhook_url = '{}/hook'\nwebhook_secret = '0123456789abcdef'\n",
        desk.slack.endpoint
    ));
    desk.budgets("First,department,sales,month,JPY,1000000000,150,2026-04,,C-first,100%\n")
        .await;
    let today = anbun::clock::Clock::System.now().date_naive();
    let period = anbun::domain::period::BillingPeriod::of(today);
    desk.company.deliver(&period.to_string(), &used(1..=1, 10.0)).await;
    desk.company.run(&["alerts", "send"]).await;
    let acts = [
        Act::Accept,
        Act::AcceptAnd500,
        Act::AcceptAndBreak,
        Act::Break,
        Act::Limit(1),
    ];
    let mut random = StdRng::seed_from_u64(6);
    for nth in 0..WEBHOOK_RUNS {
        add_budget(&desk, nth).await;
        desk.sql("update outbox set not_before = least(not_before, now()), leased_until = least(leased_until, now())")
            .await;
        desk.slack.always(Some(acts[random.random_range(0..acts.len())]));
        let mut command = desk.company.installation.command(&["alerts", "send"]);
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(random.random_range(20..350))).await;
        process.kill().unwrap();
        process.wait().unwrap();
    }
    desk.slack.always(None);
    for _ in 0..60 {
        desk.sql("update outbox set not_before = least(not_before, now()), leased_until = least(leased_until, now())")
            .await;
        if desk
            .company
            .installation
            .run(&["alerts", "send"])
            .await
            .status
            .success()
        {
            break;
        }
    }
    let mut taken: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for (headers, body) in desk.slack.webhooks() {
        let id = headers["x-anbun-message-id"].to_str().unwrap().to_owned();
        taken.entry(id).or_default().push(body["may_be_repeated"] == true);
    }
    // The first attempt may have reached nobody: then only the marked one is there.
    let allowed: [&[bool]; 3] = [&[false], &[false, true], &[true]];
    assert!(taken.values().all(|of| allowed.contains(&of.as_slice())), "{taken:?}");
    let states: Vec<(String, i64)> = sqlx::query_as("select state, count(*) from outbox group by state order by state")
        .fetch_all(&desk.context.database.pool)
        .await
        .unwrap();
    let count = |name: &str| {
        states
            .iter()
            .find(|(state, _)| state == name)
            .map_or(0, |(_, count)| *count)
    };
    assert_eq!(count("sent") + count("dead"), WEBHOOK_RUNS as i64, "{states:?}");
    // None is lost in silence: what was not taken for sure is a finding.
    assert!(taken.len() as i64 >= count("sent"), "{states:?}");
}

/// One more budget that is over at once, in a channel of its own.
async fn add_budget(desk: &Desk, nth: usize) {
    sqlx::query(
        "insert into budgets (budget_version, position, name, scope, code, frequency, currency, amount, rate, basis,
            with_allocated, with_tax, owner_person_id, channel, valid_from, thresholds)
         select max(budget_version), $1, 'B' || $1, 'department', 'sales', 'month', 'JPY', 1, 150, 'usage', false, false, '',
            'C' || $1, date '2026-04-01', '100%'
         from budget_versions",
    )
    .bind(i32::try_from(nth + 1).unwrap())
    .execute(&desk.context.database.pool)
    .await
    .unwrap();
}
