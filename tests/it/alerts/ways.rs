//! The ways out, and what each answer of theirs leads to.

use std::process::Stdio;
use std::sync::Arc;

use anbun::clock::Clock;
use anbun::jobs::alerting::SlackWay;
use anbun::jobs::send_alerts::{MailWay, Ways};
use anbun::messages::delivery::signature;

use tokio::io::{AsyncBufReadExt, BufReader};

use super::{Desk, used};
use crate::peers::slack::Act;

async fn crossed(name: &str) -> Desk {
    let desk = Desk::open(name).await;
    desk.budgets("Sales,department,sales,month,JPY,1000,150,2026-04,,C1,100%\n")
        .await;
    desk.company.deliver("2026-10", &used(1..=1, 1.0)).await;
    desk.look("2026-10-18T06:00:00Z").await;
    desk.company.deliver("2026-10", &used(1..=10, 10.0)).await;
    desk.look("2026-10-19T06:00:00Z").await;
    desk
}

async fn states(desk: &Desk) -> Vec<(String, i32, Option<String>)> {
    sqlx::query_as("select state, attempts, error_code from outbox order by created_at")
        .fetch_all(&desk.context.database.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn what_may_have_been_taken_is_looked_for_before_it_is_sent_again() {
    for (nth, act) in [Act::AcceptAnd500, Act::AcceptAndBreak, Act::AcceptAndHang]
        .into_iter()
        .enumerate()
    {
        let desk = crossed(&format!("taken-{nth}")).await;
        desk.slack.next(&[act]);
        desk.send().await;
        assert_eq!((desk.slack.messages().len(), desk.slack.attempts()), (1, 1), "{act:?}");
        assert_eq!(states(&desk).await, [("sent".to_owned(), 2, None)], "{act:?}");
    }
    // What was not taken is sent.
    let desk = crossed("broken").await;
    desk.slack.next(&[Act::Break, Act::Break]);
    desk.send().await;
    assert_eq!((desk.slack.messages().len(), desk.slack.attempts()), (1, 3));
}

#[tokio::test]
async fn slack_is_given_the_time_that_it_asks_for() {
    let desk = crossed("limited").await;
    desk.slack.next(&[Act::Limit(77)]);
    desk.attempt().await;
    let wait: f64 = sqlx::query_scalar("select extract(epoch from not_before - now())::float8 from outbox")
        .fetch_one(&desk.context.database.pool)
        .await
        .unwrap();
    assert!((70.0..=77.5).contains(&wait), "{wait}");
    desk.send().await;
    assert_eq!(desk.slack.messages().len(), 1);
}

#[tokio::test]
async fn a_revoked_token_and_a_closed_channel_keep_everything_until_they_are_mended() {
    for code in ["token_revoked", "not_in_channel"] {
        let desk = crossed(code).await;
        desk.slack.always(Some(Act::Error(code)));
        for _ in 0..3 {
            desk.attempt().await;
        }
        assert_eq!(states(&desk).await, [("waiting".to_owned(), 3, Some(code.to_owned()))]);
        // One finding, wherever figures of the open month are read.
        let month = desk.company.json(&["chargeback", "preview", "2026-10"]).await;
        let found = month["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|of| of["code"] == "alerts_wait");
        let subjects: Vec<_> = found.map(|of| of["subject"].as_str().unwrap().to_owned()).collect();
        assert_eq!(subjects, [format!("slack: {code}")]);
        desk.slack.always(None);
        desk.send().await;
        assert_eq!(
            (desk.slack.messages().len(), states(&desk).await[0].0.as_str()),
            (1, "sent")
        );
    }
}

#[tokio::test]
async fn a_message_that_slack_will_never_take_is_given_up_and_told() {
    let desk = crossed("too-long").await;
    desk.slack.next(&[Act::Error("msg_too_long")]);
    desk.send().await;
    assert_eq!(
        states(&desk).await,
        [("dead".to_owned(), 1, Some("msg_too_long".to_owned()))]
    );
    let month = desk.company.json(&["chargeback", "preview", "2026-10"]).await;
    assert!(month["findings"].to_string().contains("alerts_not_sent"), "{month}");

    // Mended, a person sends it again; it goes out once, and the finding is gone.
    let id: i64 = sqlx::query_scalar("select alert_id from outbox_alerts")
        .fetch_one(&desk.context.database.pool)
        .await
        .unwrap();
    desk.company.run(&["alerts", "resend", &id.to_string()]).await;
    desk.send().await;
    assert_eq!(states(&desk).await, [("sent".to_owned(), 1, None)]);
    assert_eq!(desk.slack.messages().len(), 1);
    let month = desk.company.json(&["chargeback", "preview", "2026-10"]).await;
    assert!(!month["findings"].to_string().contains("alerts_not_sent"), "{month}");
    let (_, said) = desk.company.refused(&["alerts", "resend", &id.to_string()]).await;
    assert!(said.contains("was given up"), "{said}");
}

#[tokio::test]
async fn a_command_tries_token_scopes_and_channel() {
    let desk = Desk::open("try").await;
    let said = desk.company.installation.run(&["alerts", "test", "C7"]).await;
    let said = crate::support::stderr(&said);
    assert!(said.contains("chat:write") && said.contains("finds it again"), "{said}");
    desk.slack.next(&[Act::Error("not_in_channel")]);
    let (_, said) = desk.company.refused(&["alerts", "test", "C7"]).await;
    assert!(
        said.contains("invite the bot") && said.contains("not_in_channel"),
        "{said}"
    );
}

/// A receiver that cannot be read back gets one repeat, marked and with the same id, and no more.
#[tokio::test]
async fn a_webhook_is_signed_and_repeats_at_most_once() {
    for (acts, expected) in [
        (vec![Act::Accept], 1),
        (vec![Act::AcceptAnd500], 2),
        (vec![Act::AcceptAnd500, Act::AcceptAndBreak, Act::Accept], 2),
        (vec![Act::Limit(1), Act::Accept], 1),
    ] {
        let mut desk = Desk::open(&format!("hook-{}-{expected}", acts.len())).await;
        desk.context.alerts.slack = SlackWay::None;
        desk.context.alerts.has_webhook = true;
        let url = format!("{}/hook", desk.slack.endpoint);
        let ways = Ways {
            webhook: Some((url, "0123456789abcdef".to_owned())),
            ..(*desk.ways).clone()
        };
        desk.ways = Arc::new(ways);
        desk.budgets("Sales,department,sales,month,JPY,1000,150,2026-04,,C1,100%\n")
            .await;
        desk.company.deliver("2026-10", &used(1..=10, 10.0)).await;
        desk.look("2026-10-19T06:00:00Z").await;
        desk.slack.next(&acts);
        desk.send().await;
        let taken = desk.slack.webhooks();
        assert_eq!(taken.len(), expected, "{acts:?}");
        let text = |nth: usize, name: &str| taken[nth].0[name].to_str().unwrap().to_owned();
        for (nth, (_, body)) in taken.iter().enumerate() {
            assert_eq!(body["may_be_repeated"], nth > 0);
            assert_eq!(text(nth, "x-anbun-message-id"), text(0, "x-anbun-message-id"));
            let (stamp, raw) = (text(nth, "x-anbun-timestamp"), body.to_string());
            let signed = signature("0123456789abcdef", &[stamp.as_bytes(), b".", raw.as_bytes()]);
            assert_eq!(text(nth, "x-anbun-signature"), format!("v1={signed}"));
            assert!(!raw.contains("p1") && raw.contains("1500.0% of the budget"), "{raw}");
        }
        let state = &states(&desk).await[0];
        let is_lost = acts.len() == 3;
        assert_eq!(state.0, if is_lost { "dead" } else { "sent" }, "{acts:?}");
    }
}

/// Slack's own webhook takes the same message, in plain text says why not, and marks a repeat.
#[tokio::test]
async fn slacks_webhook_marks_its_repeat() {
    let mut desk = Desk::open("slack-hook").await;
    desk.context.alerts.slack = SlackWay::Webhook;
    let ways = Ways {
        slack_webhook: Some(format!("{}/hook", desk.slack.endpoint)),
        ..(*desk.ways).clone()
    };
    desk.ways = Arc::new(ways);
    desk.budgets("Sales,department,sales,month,JPY,1000,150,2026-04,,C1,100%\n")
        .await;
    desk.company.deliver("2026-10", &used(1..=10, 10.0)).await;
    desk.look("2026-10-19T06:00:00Z").await;
    desk.slack.next(&[Act::AcceptAndBreak]);
    desk.send().await;
    let taken = desk.slack.webhooks();
    assert_eq!(taken.len(), 2);
    assert!(!taken[0].1.to_string().contains("may be a repeat") && taken[1].1.to_string().contains("may be a repeat"));
}

/// The owner's mail server takes it once, in words.
#[tokio::test]
async fn an_owner_gets_a_mail() {
    let Ok(python) = std::env::var("ANBUN_TEST_PYTHON") else {
        return crate::support::left_out("ANBUN_TEST_PYTHON is not set");
    };
    let script = "import email, socket, sys\nfrom email import policy\nfrom aiosmtpd.controller import Controller\n\
class Took:\n    async def handle_DATA(self, server, session, envelope):\n        m = email.message_from_bytes(envelope.content, policy=policy.default)\n        print('TOOK', ','.join(envelope.rcpt_tos), '|', m['subject'], '|', m['message-id'], '|', ' '.join(m.get_body().get_content().split()), flush=True)\n        return '250 OK'\n\
s = socket.socket(); s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]; s.close()\n\
c = Controller(Took(), hostname='127.0.0.1', port=port)\nc.start()\nprint('PORT', port, flush=True)\nsys.stdin.read()\n";
    let mut server = tokio::process::Command::new(python)
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(server.stdout.take().unwrap()).lines();
    let port = said.next_line().await.unwrap().expect("the mail server starts");
    let mut desk = Desk::open("mail").await;
    desk.context.alerts.slack = SlackWay::None;
    desk.context.alerts.has_mail = true;
    let ways = Ways {
        mail: Some(MailWay {
            url: format!("smtp://127.0.0.1:{}", port.strip_prefix("PORT ").unwrap()),
            from: "anbun@example.com".to_owned(),
        }),
        ..(*desk.ways).clone()
    };
    desk.ways = Arc::new(ways);
    let budget = "name,scope,code,frequency,currency,amount,rate,valid_from,valid_to,owner_person_id,thresholds\n\
        Sales,department,sales,month,JPY,1000,150,2026-04,,p1,100%\n";
    let file = desk.company.file("budget.csv", budget);
    desk.company.run(&["budgets", "import", &file]).await;
    desk.company.deliver("2026-10", &used(1..=10, 10.0)).await;
    desk.look("2026-10-19T06:00:00Z").await;
    desk.send().await;
    drop(server.stdin.take());
    let took = said.next_line().await.unwrap().unwrap();
    assert!(
        took.starts_with("TOOK sato@example.com | Sales (営業部): 1500.0% of the budget is used"),
        "{took}"
    );
    assert!(
        took.contains("@anbun> |") && took.contains("Foreseen for the end:"),
        "{took}"
    );
    assert_eq!(said.next_line().await.unwrap(), None);
}

/// From the end of a load to the message, with the program that serves: within a minute, and that is long.
#[tokio::test]
async fn a_server_tells_soon_after_a_load() {
    let desk = Desk::open("soon").await;
    let today = Clock::System.now().date_naive();
    let period = anbun::domain::period::BillingPeriod::of(today).to_string();
    desk.budgets("Sales,department,sales,month,JPY,1000,150,2026-04,,C1,100%\n")
        .await;
    desk.company.deliver(&period, &used(1..=1, 1.0)).await;
    let _server = crate::peers::Serving::start(&desk.company.installation).await;
    crate::peers::until("the first look was made", async || {
        let looks: i64 = sqlx::query_scalar("select count(*) from budget_evaluations")
            .fetch_one(&desk.context.database.pool)
            .await
            .unwrap();
        looks > 0
    })
    .await;
    desk.company.deliver(&period, &used(1..=1, 100.0)).await;
    let loaded = std::time::Instant::now();
    crate::peers::until("the message came", async || !desk.slack.messages().is_empty()).await;
    assert!(loaded.elapsed().as_secs() < 60);
    assert_eq!(desk.slack.messages()[0].channel, "C1");
}
