//! October's steps and files at the API.

use serde_json::{Value, json};

use crate::books::company::Company;
use crate::books::october::{INVOICES, october_with};
use crate::peers::Serving;

async fn post(server: &Serving, path: &str, key: Option<&str>, body: &Value) -> (u16, Value) {
    let mut request = reqwest::Client::new()
        .post(format!("{}{path}", server.address))
        .json(body);
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    let sent = request.send().await.unwrap();
    (
        sent.status().as_u16(),
        serde_json::from_str(&sent.text().await.unwrap()).unwrap(),
    )
}

async fn get(server: &Serving, path: &str) -> Value {
    let (status, body) = server.get(path).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

async fn recorded(name: &str) -> Company {
    let company = october_with(name, "").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company
}

#[tokio::test]
async fn a_month_is_closed_over_http() {
    let company = recorded("http").await;
    company.installation.settings("");
    let server = Serving::start(&company.installation).await;
    let month = "/api/v1/chargeback/2026-10";
    assert_eq!(get(&server, "/api/v1/months/2026-10").await["state"], "open");
    assert_eq!(
        get(&server, "/api/v1/reconciliation/2026-10").await["unexplained"]["amount"],
        "0"
    );
    assert_eq!(server.get(&format!("{month}/statement")).await.0, 404);
    assert_eq!(server.get("/api/v1/months/2020-01").await.0, 404);

    // What a client sends wrong is its fault, and changes nothing.
    for (body, expected) in [
        (json!({"to": "locked"}), 400),
        (json!({"to": "final", "wave": {}}), 400),
        (json!({"to": "final", "accept": {"recount": "x"}}), 400),
        (json!({"to": "final", "accept": {"days": " "}}), 400),
    ] {
        assert_eq!(
            post(&server, &format!("{month}/close"), None, &body).await.0,
            expected,
            "{body}"
        );
    }
    assert_eq!(post(&server, &format!("{month}/lock"), None, &json!({})).await.0, 409);
    assert_eq!(
        post(
            &server,
            "/api/v1/chargeback/2020-01/close",
            None,
            &json!({"to": "final"})
        )
        .await
        .0,
        404
    );

    // The same key gets the same answer, and another request with it none.
    let close = format!("{month}/close");
    let (status, first) = post(&server, &close, Some("k1"), &json!({"to": "final"})).await;
    assert_eq!(
        (status, first["statement"]["total"]["amount"].as_str()),
        (200, Some("26698"))
    );
    assert_eq!(
        post(&server, &close, Some("k1"), &json!({"to": "final"})).await,
        (200, first.clone())
    );
    assert_eq!(
        post(&server, &close, Some("k1"), &json!({"to": "provisional"})).await.0,
        422
    );

    let answer = reqwest::get(format!("{}{month}/statement?format=xlsx", server.address))
        .await
        .unwrap();
    let etag = answer.headers()["etag"].clone();
    assert!(
        answer.headers()["content-disposition"]
            .to_str()
            .unwrap()
            .contains("anbun-2026-10-v1-chargeback.xlsx")
    );
    let again = reqwest::Client::new().get(format!("{}{month}/statement?format=xlsx", server.address));
    assert_eq!(
        again
            .header("If-None-Match", etag)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16(),
        304
    );
    assert_eq!(get(&server, &format!("{month}/statement")).await["state"], "final");
    let (status, said) = server
        .get(&format!("{month}/statement?format=journal&preset=freee"))
        .await;
    assert!(status == 409 && said.contains("[[journal.sources]]"), "{said}");
    assert_eq!(server.get(&format!("{month}/statement?format=pdf")).await.0, 400);

    // Whoever prepared a month does not lock it, and an operator does neither.
    company
        .run(&["chargeback", "posted", "2026-10", "--slip", "100131"])
        .await;
    let (status, said) = post(&server, &format!("{month}/lock"), None, &json!({})).await;
    assert!(
        status == 409 && said["detail"].as_str().unwrap().contains("somebody else locks it"),
        "{said}"
    );
    let secrets: Vec<String> = {
        let mut secrets = Vec::new();
        for (name, role) in [("keiri", "finance"), ("ops", "operator")] {
            secrets.push(
                company
                    .run(&["token", "create", name, "--role", role])
                    .await
                    .trim()
                    .to_owned(),
            );
        }
        secrets
    };
    let lock = |secret: String| {
        let request = reqwest::Client::new()
            .post(format!("{}{month}/lock", server.address))
            .bearer_auth(secret);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(lock(secrets[1].clone()).await, 403);
    assert_eq!(lock(secrets[0].clone()).await, 200);
}
