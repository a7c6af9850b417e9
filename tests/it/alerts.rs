//! Alerts from a bill to Slack: each once, in time, and with what drives it.

mod crash;
mod presses;
mod watch;
mod ways;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anbun::clock::Clock;
use anbun::domain::actor::Actor;
use anbun::domain::calendar::BusinessCalendar;
use anbun::domain::job::JobName;
use anbun::domain::language::Language;
use anbun::jobs::JobContext;
use anbun::jobs::alerting::{AlertSettings, ChannelSettings, SlackWay};
use anbun::jobs::runner::{RunOutcome, run_job};
use anbun::jobs::send_alerts::{Ways, send_due};
use anbun::messages::slack_client::SlackBot;
use anbun::sources::aws::AwsAccess;
use anbun::store::jobs::Trigger;
use serde_json::Value;

use crate::books::company::{Company, Line};
use crate::peers::slack::Slack;

const HEADER: &str = "name,scope,code,frequency,currency,amount,rate,valid_from,valid_to,channel,thresholds\n";

/// A company whose budgets speak in a Slack of its own, at a time that the test says.
struct Desk {
    company: Company,
    slack: Slack,
    context: JobContext,
    ways: Arc<Ways>,
}

fn at(text: &str) -> Clock {
    Clock::Fixed(text.parse().unwrap())
}

/// Use of Sales on some days of October, so many dollars a day.
fn used(days: std::ops::RangeInclusive<u32>, cost: f64) -> Vec<Line> {
    days.map(|day| of_role("cowork-sales-sato", day, cost)).collect()
}

fn of_role(role: &'static str, day: u32, cost: f64) -> Line {
    Line {
        day,
        payer: crate::books::company::PAYER,
        seller: "Amazon Web Services Japan G.K.",
        invoice: "",
        product: "AmazonBedrock",
        charge_type: "Usage",
        role,
        cost,
        is_of_one_day: false,
    }
}

impl Desk {
    async fn open(name: &str) -> Self {
        let slack = Slack::serve().await;
        let company = Company::found(name, &slack.settings()).await;
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(2))
            .build()
            .unwrap();
        let ways = Ways {
            slack: Some(SlackBot::new(
                http.clone(),
                &format!("{}/api", slack.endpoint),
                "xoxb-test",
            )),
            http,
            slack_webhook: None,
            webhook: None,
            mail: None,
        };
        let alerts = AlertSettings {
            fiscal_year_start_month: 4,
            yen: anbun::config::Config::default().currency.yen(),
            calendar: BusinessCalendar::default(),
            unusual_least: anbun::domain::money::Amount::from_whole(1_000_000),
            slack: SlackWay::Bot,
            default_channel: "C0".to_owned(),
            language: Language::English,
            channels: BTreeMap::from([(
                "C-names".to_owned(),
                ChannelSettings {
                    language: Language::Japanese,
                    names: true,
                },
            )]),
            public_url: Some("http://127.0.0.1:8080".to_owned()),
            has_buttons: true,
            has_webhook: false,
            has_mail: false,
        };
        let context = JobContext {
            database: company.installation.database.clone(),
            clock: at("2026-10-20T06:00:00Z"),
            actor: Actor::local(),
            attribution: crate::support::settings(),
            exports: Vec::new(),
            account: AwsAccess::default(),
            cost_explorer: None,
            alerts,
            schedules: BTreeMap::new(),
            time_zone: chrono_tz::Asia::Tokyo,
            replica: "test".to_owned(),
        };
        Self {
            company,
            slack,
            context,
            ways: Arc::new(ways),
        }
    }

    async fn budgets(&self, rows: &str) {
        let file = self.company.file("budgets.csv", &format!("{HEADER}{rows}"));
        self.company.run(&["budgets", "import", &file]).await;
    }

    /// Looks at the budgets at a time; what the look counted.
    async fn look(&self, time: &str) -> BTreeMap<&'static str, i64> {
        let with = JobContext {
            clock: at(time),
            ..self.context.clone()
        };
        match run_job(JobName::EvaluateBudgets, &with, Trigger::Command)
            .await
            .unwrap()
        {
            RunOutcome::Done(report) => report.counts,
            other => panic!("{other:?}"),
        }
    }

    /// Sends until nothing is left that can be sent at once.
    async fn send(&self) {
        for _ in 0..40 {
            if self.attempt().await == 0 {
                return;
            }
        }
        panic!("it never ends");
    }

    /// Tries each destination once, as if all pauses were over and the test's time were now.
    async fn attempt(&self) -> usize {
        self.sql("update outbox set created_at = now(), not_before = least(not_before, now()) where state = 'waiting'")
            .await;
        self.sql("update outbox set sent_at = sent_at - interval '2 seconds' where state = 'sent'")
            .await;
        send_due(&self.context.database, &self.ways, Clock::System)
            .await
            .unwrap()
    }

    async fn sql(&self, statement: &'static str) {
        sqlx::query(statement)
            .execute(&self.context.database.pool)
            .await
            .unwrap();
    }

    async fn alerts(&self) -> Vec<(String, String, String, i32)> {
        sqlx::query_as("select subject, threshold, cause, arming from alerts order by alert_id")
            .fetch_all(&self.context.database.pool)
            .await
            .unwrap()
    }
}

fn alert(subject: &str, threshold: &str, cause: &str, arming: i32) -> (String, String, String, i32) {
    (subject.to_owned(), threshold.to_owned(), cause.to_owned(), arming)
}

fn text_of(message: &Value) -> String {
    message["blocks"].to_string().replace('\u{2060}', "")
}

/// 20 dollars a day at 150 yen: 3,000 yen a day against 100,000.
#[tokio::test]
async fn a_threshold_is_told_once_and_the_next_one_under_it() {
    let desk = Desk::open("alert-once").await;
    desk.budgets("Sales,department,sales,month,JPY,100000,150,2026-04,,C1,50%;80%;100%\n")
        .await;
    desk.company.deliver("2026-10", &used(1..=10, 20.0)).await;
    assert_eq!(desk.look("2026-10-11T06:00:00Z").await.get("raised"), None);
    desk.company.deliver("2026-10", &used(1..=18, 20.0)).await;
    for _ in 0..3 {
        desk.look("2026-10-19T06:00:00Z").await;
        desk.send().await;
    }
    assert_eq!(desk.alerts().await, [alert("Sales", "50%", "new_use", 0)]);
    let messages = desk.slack.messages();
    assert_eq!((messages.len(), messages[0].channel.as_str()), (1, "C1"));
    let said = text_of(&messages[0].body);
    for part in [
        "Sales (営業部): 54.0% of the budget is used (¥54,000 of ¥100,000)",
        "day 19 of 31",
        "$360.00 (at the budget's 150 yen)",
        "claude-opus-4.6",
        "fewer than 5 people",
        "none last month",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    assert!(
        !said.contains("佐藤") && !said.contains("sato") && !said.contains("p1"),
        "{said}"
    );

    // Two thresholds at once: the higher is told, under the first message; the lower is only recorded.
    desk.company
        .deliver("2026-10", &[used(1..=18, 20.0), used(19..=20, 180.0)].concat())
        .await;
    desk.look("2026-10-21T06:00:00Z").await;
    desk.send().await;
    assert_eq!(
        desk.alerts().await[1..],
        [
            alert("Sales", "80%", "new_use", 0),
            alert("Sales", "100%", "new_use", 0)
        ]
    );
    let messages = desk.slack.messages();
    assert_eq!(
        (messages.len(), &messages[1].body["thread_ts"]),
        (2, &Value::from(messages[0].ts.clone()))
    );
    assert!(text_of(&messages[1].body).contains("Crossed at the same time: 80%"));
}

#[tokio::test]
async fn a_correction_lets_it_speak_again_and_says_so() {
    let desk = Desk::open("alert-again").await;
    desk.budgets("Sales,department,sales,month,JPY,100000,150,2026-04,,C-names,50%\n")
        .await;
    desk.company.deliver("2026-10", &used(1..=10, 1.0)).await;
    desk.look("2026-10-18T06:00:00Z").await;
    // AWS had forgotten the first days: nobody uses more now.
    desk.company.deliver("2026-10", &used(1..=10, 40.0)).await;
    desk.look("2026-10-19T06:00:00Z").await;
    desk.company.deliver("2026-10", &used(1..=10, 30.0)).await;
    assert_eq!(desk.look("2026-10-19T07:00:00Z").await["rearmed"], 1);
    desk.company.deliver("2026-10", &used(1..=10, 35.0)).await;
    desk.look("2026-10-19T08:00:00Z").await;
    desk.look("2026-10-19T09:00:00Z").await;
    desk.send().await;
    assert_eq!(
        desk.alerts().await,
        [
            alert("Sales", "50%", "restatement", 0),
            alert("Sales", "50%", "restatement", 1)
        ]
    );
    let messages = desk.slack.messages();
    assert_eq!(messages.len(), 2);
    assert!(text_of(&messages[0].body).contains("AWSが過去の日の金額を修正しました"));
    // In a channel that is allowed names, people have theirs.
    let again = text_of(&messages[1].body);
    assert!(again.contains("再通知") && again.contains("佐藤 花子"), "{again}");
}

#[tokio::test]
async fn what_moves_to_a_department_is_no_new_use() {
    let desk = Desk::open("alert-moved").await;
    desk.budgets("Sales,department,sales,month,JPY,100000,150,2026-04,,C1,50%\n")
        .await;
    let mut lines = used(1..=10, 10.0);
    lines.extend((1..=10).map(|day| of_role("llm-gateway", day, 30.0)));
    desk.company.deliver("2026-10", &lines).await;
    desk.look("2026-10-18T06:00:00Z").await;
    let gateway = "account_id,role_name,session_name,user_name,person_id,department_code,project_code,kind,valid_from,valid_to\n\
        111122223333,llm-gateway,*,*,,sales,,gateway,2026-04-01,\n";
    let file = desk.company.file("principals.csv", gateway);
    desk.company.run(&["directory", "import", &file]).await;
    desk.look("2026-10-18T07:00:00Z").await;
    desk.send().await;
    assert_eq!(desk.alerts().await, [alert("Sales", "50%", "reattribution", 0)]);
    assert!(text_of(&desk.slack.messages()[0].body).contains("No new use: the directory changed"));
}

#[tokio::test]
async fn past_months_and_first_looks_do_not_flood() {
    let desk = Desk::open("alert-flood").await;
    let rows: String = (0..5)
        .map(|nth| format!("B{nth},department,sales,month,JPY,1000,150,2026-04,,,50%;100%\n"))
        .collect();
    desk.budgets(&rows).await;
    for period in ["2026-08", "2026-09", "2026-10"] {
        desk.company.deliver(period, &used(1..=10, 10.0)).await;
    }
    let counts = desk.look("2026-10-20T06:00:00Z").await;
    // Two thresholds of five budgets in three months; five crossings of this month are one digest.
    assert_eq!((counts["raised"], counts["to_tell"], counts["messages"]), (30, 5, 1));
    assert!(desk.alerts().await[..20].iter().all(|of| of.2 == "past"));
    desk.send().await;
    let messages = desk.slack.messages();
    assert_eq!((messages.len(), messages[0].channel.as_str()), (1, "C0"));
    assert!(text_of(&messages[0].body).contains("5 alerts"), "{}", messages[0].body);
    // A jump of the clock by a year and back says nothing twice; the 31st is the month before, which is recorded.
    for time in ["2027-10-20T06:00:00Z", "2026-10-20T07:00:00Z"] {
        desk.look(time).await;
    }
    desk.send().await;
    assert_eq!((desk.alerts().await.len(), desk.slack.messages().len()), (31, 1));
}

#[tokio::test]
async fn a_month_without_data_is_a_finding_and_no_all_clear() {
    let desk = Desk::open("alert-blind").await;
    desk.budgets("Sales,department,sales,month,JPY,1000,150,2026-04,,,\n")
        .await;
    desk.company.deliver("2026-10", &used(1..=10, 10.0)).await;
    desk.look("2026-11-03T06:00:00Z").await;
    let blind = async || -> Option<String> {
        let found = sqlx::query_scalar("select message from job_findings where code = 'budgets_without_data'");
        found.fetch_optional(&desk.context.database.pool).await.unwrap()
    };
    assert_eq!(blind().await, None);
    desk.look("2026-11-04T06:00:00Z").await;
    assert!(blind().await.is_some_and(|said| said.contains("1 budgets are blind")));
}

/// 2,000 dollars spent and 3,000 more to come, by the days so far.
#[tokio::test]
async fn a_forecast_speaks_before_the_limit_and_snoozed_budgets_later() {
    let desk = Desk::open("alert-forecast").await;
    desk.budgets("All,company,,month,JPY,600000,150,2026-10,,C9,90%;forecast 100%\n")
        .await;
    desk.company.deliver("2026-09", &used(1..=30, 200.0)).await;
    desk.company.deliver("2026-10", &used(1..=3, 200.0)).await;
    desk.look("2026-10-04T06:00:00Z").await;
    assert!(desk.alerts().await.is_empty(), "{:?}", desk.alerts().await);
    desk.company.deliver("2026-10", &used(1..=10, 200.0)).await;
    desk.look("2026-10-11T06:00:00Z").await;
    desk.send().await;
    assert_eq!(desk.alerts().await, [alert("All", "forecast 100%", "new_use", 0)]);
    let said = text_of(&desk.slack.messages()[0].body);
    assert!(
        said.contains("foreseen beyond its budget") && said.contains("Runs out on"),
        "{said}"
    );

    let id = desk
        .company
        .json(&["alerts", "list", "--kind", "forecast", "--limit", "1"])
        .await["data"][0]["id"]
        .to_string();
    desk.company.run(&["alerts", "ack", &id]).await;
    let shown = desk.company.json(&["alerts", "list", "--limit", "1"]).await;
    assert_eq!(shown["data"][0]["messages"][0]["state"], "sent");
    assert!(shown["data"][0]["acknowledged_by"].is_string());
    let (_, said) = desk.company.refused(&["alerts", "snooze", "99"]).await;
    assert!(said.contains("there is no alert 99"), "{said}");
    let why = desk.company.json(&["alerts", "why", "All", "2026-10"]).await;
    assert_eq!(why["thresholds"][1]["verdict"], "spoke");
    assert_eq!(why["thresholds"][0]["verdict"], "not_reached");
}

/// A quarter that is over stands as it ended: seen half-way it would look as if an amount had gone back.
#[tokio::test]
async fn an_ended_quarter_does_not_speak_again() {
    let desk = Desk::open("quarter").await;
    desk.budgets("Q,department,sales,quarter,JPY,100000,150,2026-04,,C1,100%\n")
        .await;
    for period in ["2026-07", "2026-08", "2026-09"] {
        desk.company.deliver(period, &used(1..=10, 30.0)).await;
    }
    desk.look("2026-09-20T06:00:00Z").await;
    for hour in ["06", "07", "08"] {
        desk.look(&format!("2026-10-01T{hour}:00:00Z")).await;
    }
    desk.look("2026-10-08T06:00:00Z").await;
    let own = desk.alerts().await.into_iter().filter(|of| of.0 == "Q");
    assert_eq!(own.collect::<Vec<_>>(), [alert("Q", "100%", "budget_change", 0)]);
}
