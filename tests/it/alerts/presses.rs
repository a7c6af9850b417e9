//! Presses of buttons in Slack: signed, taken once, by somebody whose budget it is.

use anbun::messages::delivery::signature;
use serde_json::{Value, json};

use super::{Desk, used};
use crate::peers::Serving;

const PEOPLE: &str = "person_id,name,email,department_code,manager_person_id,valid_from,valid_to\n\
    p1,佐藤 花子,sato@example.com,sales,p2,2026-04-01,\n\
    p2,鈴木 一郎,suzuki@example.com,sales,,2026-04-01,\n\
    p3,田中 実,tanaka@example.com,research,,2026-04-01,\n";

const BUDGET: &str = "name,scope,code,frequency,currency,amount,rate,valid_from,valid_to,owner_person_id,channel,thresholds\n\
    Sales,department,sales,fiscal_year,JPY,1000,150,2026-04,,p1,C1,100%\n";

struct Pressing {
    desk: Desk,
    server: Serving,
}

impl Pressing {
    async fn open(name: &str) -> Self {
        let desk = Desk::open(name).await;
        let people = desk.company.file("people.csv", PEOPLE);
        desk.company.run(&["directory", "import", &people]).await;
        let budget = desk.company.file("budget.csv", BUDGET);
        desk.company.run(&["budgets", "import", &budget]).await;
        desk.company.deliver("2026-10", &used(1..=10, 10.0)).await;
        desk.look("2026-10-19T06:00:00Z").await;
        let server = Serving::start(&desk.company.installation).await;
        Self { desk, server }
    }

    async fn send(&self, payload: &Value, at: i64, secret: &str) -> u16 {
        let body: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("payload", &payload.to_string())
            .finish();
        let stamp = at.to_string();
        let signed = signature(secret, &[b"v0:", stamp.as_bytes(), b":", body.as_bytes()]);
        let request = reqwest::Client::new()
            .post(format!("{}/api/v1/slack/interactions", self.server.address))
            .header("X-Slack-Request-Timestamp", stamp)
            .header("X-Slack-Signature", format!("v0={signed}"))
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(body);
        request.send().await.unwrap().status().as_u16()
    }

    /// Presses a button; what was said to who pressed.
    async fn press(&self, user: &str, action: &str, value: &str) -> String {
        let payload = json!({"type": "block_actions", "user": {"id": user}, "channel": {"id": "C1"}, "trigger_id": "t1",
            // Slack's own requests are never the same either.
            "actions": [{"action_id": action, "value": value, "action_ts": uuid::Uuid::new_v4().to_string()}]});
        assert_eq!(self.send(&payload, now(), "shhh").await, 200);
        self.said()
    }

    fn said(&self) -> String {
        let calls = self.desk.slack.calls();
        let last = calls.iter().rev().find(|(method, _)| method == "chat.postEphemeral");
        last.map(|(_, body)| body["text"].as_str().unwrap_or_default().to_owned())
            .unwrap_or_default()
    }
}

fn now() -> i64 {
    anbun::clock::Clock::System.now().timestamp()
}

#[tokio::test]
async fn only_slacks_own_presses_are_taken_and_each_once() {
    let pressing = Pressing::open("press-signed").await;
    let payload = |action: &str| {
        json!({"type": "block_actions", "user": {"id": "U-sato"}, "channel": {"id": "C1"},
            "actions": [{"action_id": action, "value": "1"}]})
    };
    assert_eq!(pressing.send(&payload("acknowledge"), now(), "wrong").await, 401);
    assert_eq!(pressing.send(&payload("acknowledge"), now() - 301, "shhh").await, 401);
    assert_eq!(pressing.send(&payload("acknowledge"), now() + 400, "shhh").await, 401);
    // No number of seconds makes it fall over, and no other spelling is another request.
    assert_eq!(pressing.send(&payload("acknowledge"), i64::MIN, "shhh").await, 401);
    let at = now();
    assert_eq!(pressing.send(&payload("acknowledge"), at, "shhh").await, 200);
    assert_eq!(pressing.send(&payload("acknowledge"), at, "shhh").await, 401);
    assert_eq!(
        pressing
            .send(&json!({"type": "shortcut", "user": {"id": "U1"}}), now(), "shhh")
            .await,
        400
    );
    // An id of a button that nobody made.
    pressing.press("U-sato", "delete_everything", "1").await;
    assert!(pressing.said().contains("there is no button"), "{}", pressing.said());
    let (status, _) = pressing.server.post("/api/v1/slack/interactions").await;
    assert_eq!(status, 401);
}

#[tokio::test]
async fn who_presses_must_be_known_and_answer_for_the_budget() {
    let pressing = Pressing::open("press-who").await;
    assert!(
        pressing
            .press("U-nobody", "acknowledge", "1")
            .await
            .contains("of nobody in the directory")
    );
    for other in ["U-sato.stranger", "U-sato.left"] {
        let said = pressing.press(other, "acknowledge", "1").await;
        assert!(said.contains("another company's"), "{said}");
    }
    assert!(
        pressing
            .press("U-tanaka", "acknowledge", "1")
            .await
            .contains("answered for by its owner")
    );
    assert!(
        pressing
            .press("U-sato", "acknowledge", "99")
            .await
            .contains("there is no alert 99")
    );
    let acknowledged = async || -> Option<String> {
        let found = sqlx::query_scalar("select acknowledged_by from alerts where alert_id = 1");
        found.fetch_one(&pressing.desk.context.database.pool).await.unwrap()
    };
    assert_eq!(acknowledged().await, None);
    assert!(pressing.press("U-sato", "acknowledge", "1").await.contains("確認済み"));
    pressing.press("U-suzuki", "acknowledge", "1").await;
    assert_eq!(acknowledged().await.as_deref(), Some("p1"));
    assert!(
        pressing
            .press("U-suzuki", "snooze_week", "1")
            .await
            .contains("まで通知を止めます")
    );
    // The manager is asked by a direct message, once, and only where their account is known: they pressed before.
    assert!(
        pressing
            .press("U-sato", "ask_manager", "1")
            .await
            .contains("上長に送りました")
    );
    assert!(pressing.press("U-sato", "ask_manager", "1").await.contains("already"));
    let asked: i64 = sqlx::query_scalar("select count(*) from outbox where destination = 'D-suzuki'")
        .fetch_one(&pressing.desk.context.database.pool)
        .await
        .unwrap();
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_raise_is_asked_for_by_one_and_approved_by_another() {
    let pressing = Pressing::open("press-raise").await;
    pressing.press("U-sato", "request_raise", "1").await;
    let calls = pressing.desk.slack.calls();
    let (_, form) = calls.iter().find(|(method, _)| method == "views.open").unwrap();
    assert_eq!(
        (&form["trigger_id"], &form["view"]["callback_id"]),
        (&json!("t1"), &json!("raise"))
    );
    let until = (anbun::clock::Clock::System.now().date_naive() + chrono::Days::new(20)).to_string();
    let submit = async |amount: &str| {
        let payload = json!({"type": "view_submission", "user": {"id": "U-sato"}, "view": {
            "callback_id": "raise", "private_metadata": form["view"]["private_metadata"],
            "state": {"values": {
                "amount": {"value": {"value": amount}}, "until": {"value": {"selected_date": until}},
                "reason": {"value": {"value": "リリース"}}, "ringi": {"value": {"value": "R-7"}}}}}});
        assert_eq!(pressing.send(&payload, now(), "shhh").await, 200);
        pressing.said()
    };
    assert!(submit("much").await.contains("no amount"));
    assert!(submit("1,500").await.contains("#1"));
    assert!(submit("150").await.contains("#2"));
    assert!(
        pressing
            .press("U-sato", "approve_raise", "2")
            .await
            .contains("somebody else decides")
    );
    assert!(
        pressing
            .press("U-tanaka", "approve_raise", "2")
            .await
            .contains("by the manager of who asked")
    );
    assert!(
        pressing
            .press("U-suzuki", "approve_raise", "1")
            .await
            .contains("above 20 % of the budget")
    );
    assert!(
        pressing
            .press("U-suzuki", "approve_raise", "2")
            .await
            .contains("承認しました")
    );
    assert!(
        pressing
            .press("U-suzuki", "approve_raise", "2")
            .await
            .contains("decided already")
    );
    // Finance approves any amount.
    pressing.desk.company.run(&["budgets", "approve", "1"]).await;
    let raises = pressing.desk.company.json(&["budgets", "raises"]).await;
    let of = |nth: usize, key: &str| raises["data"][nth][key].as_str().unwrap_or_default().to_owned();
    assert_eq!(
        (of(0, "state"), of(0, "decided_by"), of(0, "ringi")),
        ("approved".to_owned(), "p2".to_owned(), "R-7".to_owned())
    );
    let (_, body) = pressing.server.get("/api/v1/budgets/Sales/status").await;
    let status: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["data"][0]["limit"]["amount"], "2650");
    assert_eq!(status["data"][0]["raised"]["amount"], "1650");
}
