//! What is said besides budgets, and the forecasts that are kept.

use serde_json::Value;

use super::{Desk, of_role, text_of, used};
use crate::books::company::Line;
use crate::peers::Serving;

/// 50 dollars on each day of September and October, and a dear one.
fn october(dear: Option<(u32, f64)>, days: u32) -> Vec<Line> {
    let cost = |day| dear.filter(|(of, _)| *of == day).map_or(50.0, |(_, cost)| cost);
    (1..=days)
        .map(|day| of_role("cowork-sales-sato", day, cost(day)))
        .collect()
}

#[tokio::test]
async fn an_unusual_day_is_told_once_and_ends_by_itself() {
    let mut desk = Desk::open("unusual").await;
    desk.context.alerts.unusual_least = anbun::domain::money::Amount::from_whole(100);
    desk.company.deliver("2026-09", &used(1..=30, 50.0)).await;
    desk.company.deliver("2026-10", &october(None, 12)).await;
    desk.look("2026-10-13T06:00:00Z").await;
    desk.company.deliver("2026-10", &october(Some((13, 400.0)), 13)).await;
    for _ in 0..2 {
        desk.look("2026-10-14T06:00:00Z").await;
        desk.send().await;
    }
    // The department, its person, and the model.
    let raised: Vec<String> = desk.alerts().await.into_iter().map(|of| of.0).collect();
    assert_eq!(raised, ["department:sales", "model:claude-opus-4.6", "person:p1"]);
    let mut said: Vec<String> = desk.slack.messages().iter().map(|of| text_of(&of.body)).collect();
    assert_eq!(said.len(), 3);
    // They go out in no order of theirs.
    said.sort_by_key(|text| (text.contains("One person"), text.contains("claude-opus-4.6:")));
    assert!(
        said[0].contains("営業部: unusual use on 13 October ($400.00, usually $50.00)"),
        "{}",
        said[0]
    );
    assert!(said[0].contains("Because of more use: claude-opus-4.6"), "{}", said[0]);
    assert!(
        said.iter().all(|text| !text.contains("佐藤") && !text.contains("p1")),
        "{said:?}"
    );
    assert!(said[2].contains("One person"), "{}", said[2]);
    // Two usual business days later it is over.
    desk.company.deliver("2026-10", &october(Some((13, 400.0)), 19)).await;
    desk.look("2026-10-20T06:00:00Z").await;
    let open: i64 = sqlx::query_scalar("select count(*) from alerts where ended_at is null")
        .fetch_one(&desk.context.database.pool)
        .await
        .unwrap();
    assert_eq!((open, desk.alerts().await.len()), (0, 3));
}

#[tokio::test]
async fn what_was_never_there_before_is_told_without_names() {
    let desk = Desk::open("first-seen").await;
    desk.company.deliver("2026-10", &used(1..=3, 1.0)).await;
    desk.look("2026-10-04T06:00:00Z").await;
    desk.company
        .deliver(
            "2026-10",
            &[used(1..=3, 1.0), vec![of_role("cowork-engineering-suzuki", 4, 1.0)]].concat(),
        )
        .await;
    desk.look("2026-10-05T06:00:00Z").await;
    desk.look("2026-10-05T07:00:00Z").await;
    desk.send().await;
    let messages = desk.slack.messages();
    assert_eq!(messages.len(), 1);
    let said = text_of(&messages[0].body);
    assert!(said.contains("1 new: principals") && !said.contains("suzuki"), "{said}");
}

/// 50 dollars a day: on 10 October seven days are settled, and 24 are foreseen.
#[tokio::test]
async fn forecasts_are_kept_and_shown_with_their_error_once_the_month_is_final() {
    let desk = Desk::open("kept").await;
    desk.company.deliver("2026-09", &used(1..=30, 50.0)).await;
    desk.company.deliver("2026-10", &used(1..=9, 50.0)).await;
    assert_eq!(desk.look("2026-10-10T06:00:00Z").await["forecasts_kept"], 2);
    assert_eq!(desk.look("2026-10-11T06:00:00Z").await.get("forecasts_kept"), None);
    // Days later it is no forecast of day 10 any more.
    assert_eq!(desk.look("2026-10-19T06:00:00Z").await.get("forecasts_kept"), None);
    desk.company.deliver("2026-10", &used(1..=31, 50.0)).await;
    let server = Serving::start(&desk.company.installation).await;
    let read = async |path: &str| -> Value { serde_json::from_str(&server.get(path).await.1).unwrap() };
    let open = read("/api/v1/forecasts").await;
    assert_eq!(
        (open["data"].as_array().unwrap().len(), &open["data"][0]["actual"]),
        (1, &Value::Null)
    );
    sqlx::query("alter table month_states drop constraint month_states_check")
        .execute(&desk.context.database.pool)
        .await
        .unwrap();
    desk.sql("insert into month_states (billing_period, state, changed_by, changed_at) values ('2026-10-01', 'final', 'x', now())")
        .await;
    let of_month = read("/api/v1/forecasts?period=2026-10").await;
    assert_eq!(of_month["data"].as_array().unwrap().len(), 2);
    let company = &of_month["data"][0];
    assert_eq!(
        (&company["scope"], &company["actual"]["amount"]),
        (&"company".into(), &"1550".into())
    );
    let error: f64 = company["error"].as_str().unwrap().parse().unwrap();
    assert!(error.abs() < 0.05, "{company}");
    for (path, part) in [("/forecasts", "$1,550"), ("/budgets", "Budgets"), ("/alerts", "Alerts")] {
        let (status, page) = server.get(path).await;
        assert!(status == 200 && page.contains(part), "{path}: {page}");
    }
}

/// 31 x 50 dollars at the planning rate of 150: 232,500 yen; September had 225,000.
#[tokio::test]
async fn a_department_is_told_its_month_once() {
    let mut desk = Desk::open("digest").await;
    desk.context.alerts.calendar.holidays = [("2026-11-03".parse().unwrap(), "文化の日".to_owned())].into();
    desk.budgets("Sales,department,sales,month,JPY,10000000,150,2026-04,,C5,100%\n")
        .await;
    desk.company.deliver("2026-09", &used(1..=30, 50.0)).await;
    desk.company.deliver("2026-10", &used(1..=31, 50.0)).await;
    desk.company.deliver("2026-11", &used(1..=2, 1.0)).await;
    // The 3rd is Culture Day, so the fifth business day is the 9th.
    assert_eq!(desk.look("2026-11-06T06:00:00Z").await.get("digests"), None);
    for time in ["2026-11-09T06:00:00Z", "2026-11-10T06:00:00Z"] {
        desk.look(time).await;
    }
    desk.send().await;
    let messages = desk.slack.messages();
    assert_eq!((messages.len(), messages[0].channel.as_str()), (1, "C5"));
    let said = text_of(&messages[0].body);
    assert!(
        said.contains("営業部: October 2026 stands at ¥232,500, incomplete"),
        "{said}"
    );
    assert!(
        said.contains("The month before: ¥225,000, a change of ¥7,500"),
        "{said}"
    );
}

/// A budget that cannot be computed is told, and keeps no other from speaking.
#[tokio::test]
async fn a_budget_beyond_exact_numbers_stops_no_other() {
    let desk = Desk::open("too-large").await;
    desk.company.deliver("2026-10", &used(1..=18, 50.0)).await;
    desk.budgets(
        "odd,department,sales,month,JPY,1000,150,2026-10,,,\nrag,department,sales,month,JPY,100000,150,2026-10,,,\n",
    )
    .await;
    sqlx::query("update budgets set rate = 150.0000000000000000000000001 where name = 'odd'")
        .execute(&desk.context.database.pool)
        .await
        .unwrap();
    desk.look("2026-10-20T06:00:00Z").await;
    let raised: Vec<String> = desk.alerts().await.into_iter().map(|of| of.0).collect();
    assert!(
        !raised.is_empty() && raised.iter().all(|subject| subject == "rag"),
        "{raised:?}"
    );
    let status = desk.company.json(&["budgets", "status", "--period", "2026-10"]).await;
    let found = status["findings"].as_array().unwrap();
    assert!(
        found
            .iter()
            .any(|of| of["code"] == "budget_too_large" && of["subject"] == "odd"),
        "{found:?}"
    );
}

/// A budget is of a UTC month: whoever changes the company's time zone in the middle of it hears nothing twice.
#[tokio::test]
async fn another_time_zone_in_the_middle_of_a_month_tells_nothing_again() {
    let mut desk = Desk::open("zone").await;
    desk.budgets("Sales,department,sales,month,JPY,100000,150,2026-04,,C1,50%\n")
        .await;
    desk.company.deliver("2026-10", &used(1..=10, 1.0)).await;
    desk.look("2026-10-11T06:00:00Z").await;
    desk.company.deliver("2026-10", &used(1..=18, 20.0)).await;
    for (zone, time) in [
        (chrono_tz::Asia::Tokyo, "2026-10-18T23:30:00Z"),
        (chrono_tz::America::Los_Angeles, "2026-10-18T23:40:00Z"),
        (chrono_tz::Pacific::Kiritimati, "2026-10-31T23:50:00Z"),
    ] {
        desk.context.time_zone = zone;
        desk.look(time).await;
        desk.send().await;
    }
    assert_eq!(desk.alerts().await.len(), 1);
    assert_eq!(desk.slack.messages().len(), 1);
}
