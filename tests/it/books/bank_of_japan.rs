//! October at the Bank of Japan's rates: recorded as interbank, once, and never over what somebody typed.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::routing::get;
use serde_json::json;

use crate::books::october::october_with;
use crate::support::{stderr, stdout};

/// The service by its documented shape; it answers the next of these, and keeps what it was asked.
#[derive(Clone, Default)]
struct Bank {
    answers: Arc<Mutex<Vec<(u16, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Bank {
    async fn serve(&self) -> String {
        async fn answer(State(bank): State<Bank>, RawQuery(query): RawQuery) -> (axum::http::StatusCode, String) {
            bank.asked.lock().unwrap().push(query.unwrap_or_default());
            let (status, body) = bank.answers.lock().unwrap().remove(0);
            (axum::http::StatusCode::from_u16(status).unwrap(), body)
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/api/v1/", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/api/v1/getDataCode", get(answer))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    fn answers(&self, status: u16, body: impl ToString) {
        self.answers.lock().unwrap().push((status, body.to_string()));
    }
}

fn series(days: &[u32], values: &serde_json::Value) -> serde_json::Value {
    json!({
        "STATUS": 200, "MESSAGEID": "M181000I", "MESSAGE": "Successfully completed", "NEXTPOSITION": null,
        "RESULTSET": [{"SERIES_CODE": "FXERD04", "VALUES": {"SURVEY_DATES": days, "VALUES": values}}],
    })
}

#[tokio::test]
async fn a_month_is_at_the_bank_of_japans_rate_once_a_policy_says_so() {
    let bank = Bank::default();
    let endpoint = bank.serve().await;
    let company = october_with("bank", &format!("[currency]\nbank_of_japan = \"{endpoint}\"\n")).await;
    let fetch = async |more: &[&str]| {
        let arguments = [&["rates", "fetch", "2026-10"], more].concat();
        company.installation.run(&arguments).await
    };
    let recorded = async || company.json(&["rates", "list"]).await.as_array().unwrap().len();
    let before = recorded().await;
    // The twelfth is a holiday: it has no rate.
    let october = series(&[20261012, 20261029, 20261030], &json!([null, 159.37, 160.02]));
    bank.answers(200, &october);
    assert!(fetch(&["--dry-run"]).await.status.success());
    assert_eq!(recorded().await, before);
    bank.answers(200, &october);
    assert!(fetch(&[]).await.status.success());
    assert_eq!(recorded().await, before + 2);
    assert!(bank.asked.lock().unwrap()[1].ends_with("db=FM08&code=FXERD04&startDate=202610&endDate=202610"));
    company
        .run(&["rates", "policy", "set", "--from", "2026-10", "--kind", "interbank"])
        .await;
    let month = company.json(&["chargeback", "preview", "2026-10"]).await;
    let rate = &month["rates"][0];
    assert_eq!(
        (rate["value"].as_str(), rate["kind"].as_str(), rate["source"].as_str()),
        (
            Some("160.02"),
            Some("interbank"),
            Some("Bank of Japan FXERD04, interbank at 17:00 in Tokyo")
        ),
        "{month}"
    );
    // Again, and then another figure for a day that is recorded: nothing is written over it.
    bank.answers(200, &october);
    assert!(fetch(&[]).await.status.success());
    bank.answers(200, series(&[20261030], &json!([160.03])));
    let differs = fetch(&[]).await;
    assert_eq!(differs.status.code(), Some(3), "{}", stderr(&differs));
    assert!(
        stdout(&differs).contains("the register has 160.02"),
        "{}",
        stdout(&differs)
    );
    assert_eq!(recorded().await, before + 2);
    for (status, body, said) in [
        (
            200,
            series(&[20261028], &json!([0.0063])).to_string(),
            "are the currencies swapped",
        ),
        (
            200,
            json!({"STATUS": 500, "MESSAGE": "Try later"}).to_string(),
            "it refused (500): Try later",
        ),
        (503, String::new(), "it answered 503"),
        (200, "x".repeat(2 * 1024 * 1024), "larger than"),
    ] {
        bank.answers(status, body);
        let refused = fetch(&[]).await;
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(stderr(&refused).contains(said), "{}", stderr(&refused));
    }
    assert_eq!(recorded().await, before + 2);
}
