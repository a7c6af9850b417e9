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
    // Departments are told of what the second person has approved.
    let (_, said) = company.refused(&["chargeback", "send", "2026-10"]).await;
    assert!(said.contains("not approved yet"), "{said}");
    let task = company.json(&["month", "2026-10"]).await["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["task"] == "statements")
        .unwrap()
        .clone();
    assert_ne!(task["state"], "done");
    assert_eq!(task["what"], "departments are told once somebody else has locked it");
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
    let (_, said) = company.refused(&["chargeback", "send", "2026-10"]).await;
    assert!(said.contains("[mail] from is not set"), "{said}");

    // A dispute is noted by one, and approved by another.
    let reclass = [
        "chargeback",
        "reclass",
        "2026-10",
        "--from",
        "sales",
        "--to",
        "engineering",
        "--jpy",
        "500",
        "--reason",
        "the role was engineering's",
    ];
    let (_, said) = company.refused(&reclass).await;
    assert!(said.contains("neither sales nor engineering disputes"), "{said}");
    let dispute = [
        "chargeback",
        "answer",
        "2026-10",
        "sales",
        "--dispute",
        "500",
        "--reason",
        "not ours",
    ];
    company.run(&dispute).await;
    let (_, said) = company.refused(&reclass).await;
    assert!(said.contains("somebody else approves it"), "{said}");
    let request = reqwest::Client::new()
        .post(format!("{}{month}/reclass", server.address))
        .bearer_auth(&secrets[0])
        .json(&json!({"from": "sales", "to": "engineering", "jpy": 500, "reason": "the role was engineering's"}));
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 201);
    let moved: Value = answer.json().await.unwrap();
    assert_eq!(
        (&moved["number"], &moved["amount"]["amount"]),
        (&json!(1), &json!("500"))
    );
}

/// Whatever says amounts says what they rest on: by the open books, and as they were sealed.
#[tokio::test]
async fn every_answer_with_money_says_what_it_rests_on() {
    let company = recorded("footing").await;
    let server = Serving::start(&company.installation).await;
    for state in ["open", "final"] {
        if state == "final" {
            company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
        }
        for path in [
            "/api/v1/chargeback/2026-10",
            "/api/v1/chargeback/2026-10/change?against=2026-10",
            "/api/v1/chargeback/2026-10/budgets",
            "/api/v1/months/2026-10",
            "/api/v1/reconciliation/2026-10",
            "/api/v1/reconciliation/2026-10/rows?step=statement",
            "/api/v1/explain?department=sales&period=2026-10",
            "/api/v1/explain?person=p1&period=2026-10",
        ] {
            let answer = get(&server, path).await;
            assert_eq!(
                (&answer["basis"], &answer["state"]),
                (&json!("bill"), &json!(state)),
                "{path}"
            );
            assert!(
                answer["data_as_of"].is_string() && answer["findings"].is_array(),
                "{path}: {answer}"
            );
            // Only what a sealed month was divided by is locked.
            let rates = answer["rates"].as_array().unwrap();
            assert!(!rates.is_empty(), "{path}: {answer}");
            assert!(
                rates.iter().all(|rate| rate["locked"] == (state == "final")),
                "{path}: {answer}"
            );
        }
    }
}

/// Each number from the invoice to the statement opens to rows that add up to it, before the close and after it.
#[tokio::test]
async fn every_step_opens_to_its_rows() {
    let company = recorded("rows").await;
    let server = Serving::start(&company.installation).await;
    let path = "/api/v1/reconciliation/2026-10";
    for is_closed in [false, true] {
        if is_closed {
            company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
        }
        let steps = get(&server, path).await;
        let mut opened = 0;
        for step in steps["steps"].as_array().unwrap() {
            let name = step["step"].as_str().unwrap();
            let invoice = step["invoice"].as_str().unwrap_or("");
            let mut query = vec![("step", name)];
            query.extend(Some(("invoice", invoice)).filter(|_| !invoice.is_empty()));
            let url = reqwest::Url::parse_with_params(&format!("{}{path}/rows", server.address), query).unwrap();
            let sent = reqwest::get(url.clone()).await.unwrap();
            assert_eq!(sent.status().as_u16(), 200, "{url}");
            let opened_step: Value = serde_json::from_str(&sent.text().await.unwrap()).unwrap();
            assert_eq!(opened_step["state"], if is_closed { "final" } else { "open" });
            assert!(opened_step["data_as_of"].is_string(), "{opened_step}");
            let rows = opened_step["rows"].as_array().unwrap();
            let is_beside = name.starts_with("beside");
            let rest = rows
                .iter()
                .filter(|row| row["what"] == "not in the rows that are there now");
            assert!(is_beside || rest.count() == 0, "{opened_step}");
            let amount =
                |money: &Value| -> rust_decimal::Decimal { money["amount"].as_str().unwrap().parse().unwrap() };
            let sum: rust_decimal::Decimal = rows.iter().map(|row| amount(&row["usd"])).sum();
            assert_eq!(sum, amount(&step["usd"]), "{name}");
            if rows.iter().all(|row| row["jpy"].is_object()) && !is_beside && !rows.is_empty() {
                let yen: rust_decimal::Decimal = rows.iter().map(|row| amount(&row["jpy"])).sum();
                assert_eq!(yen, amount(&step["jpy"]), "{name}");
            }
            opened += rows.len();
        }
        assert!(opened > 20, "{opened}");
    }
    assert_eq!(server.get(&format!("{path}/rows?step=nothing")).await.0, 404);
    let (status, page) = server.get("/months/2026-10/rows?step=charged%3A+tax&invoice=").await;
    assert!(
        status == 200 && page.contains("engineering") && page.contains("1,520"),
        "{page}"
    );
    let shown = company
        .run(&[
            "reconcile",
            "2026-10",
            "--step",
            "other services",
            "--invoice",
            "EUINJP26-100",
        ])
        .await;
    assert!(shown.contains("-100"), "{shown}");
}

/// Registers take rows as their files do, and refuse them by the column.
#[tokio::test]
async fn registers_are_kept_over_http() {
    let company = october_with("registers-http", "").await;
    let server = Serving::start(&company.installation).await;
    let rate =
        |value: &str| json!({"rates": [{"rate_date": "2026-10-30", "kind": "ttm", "value": value, "source": "MUFG"}]});
    let (status, refused) = post(&server, "/api/v1/rates", None, &rate("0.0063")).await;
    assert_eq!((status, refused["pointer"].as_str()), (400, Some("value")), "{refused}");
    let (status, recorded) = post(&server, "/api/v1/rates", None, &rate("160.5")).await;
    assert_eq!((status, recorded["recorded"].as_u64()), (201, Some(1)));
    assert!(get(&server, "/api/v1/rates").await.to_string().contains("160.5"));
    for (path, body) in [
        ("/api/v1/rates", json!({"rates": [{"rate_date": "2026-10-30"}]})),
        (
            "/api/v1/rates",
            json!({"rates": [{"rate_date": "2026-10-30", "kind": "ttm", "value": "159", "source": "a\u{0}b"}]}),
        ),
        ("/api/v1/invoices", json!({"invoices": [{"invoice_id": "x"}]})),
        (
            "/api/v1/rules",
            json!({"rules": [{"pool": "tax", "method": "evenly", "members": "nobody", "fallback": "", "legal_entity": "", "valid_from": "2026-04", "valid_to": ""}]}),
        ),
        ("/api/v1/rules", json!({"rules": "none"})),
        (
            "/api/v1/manual-pools",
            json!({"name": "x", "period": "2026-13", "jpy": "1", "reason": "x"}),
        ),
        (
            "/api/v1/manual-pools",
            json!({"name": "x", "period": "2026-10", "jpy": "1.5", "reason": "x", "payer": "999900001111"}),
        ),
    ] {
        let (status, refused) = post(&server, path, None, &body).await;
        assert_eq!(status, 400, "{path} {body}: {refused}");
    }
    for path in [
        "/api/v1/chargeback/2026-10?as_known_on=-9999-01-01",
        "/api/v1/chargeback/2026-10?as_known_on=99999-01-01",
        "/api/v1/chargeback/2026-10/statement?as_known_on=-9999-01-01",
        "/api/v1/chargeback/2026-10?organisation=today&by=person",
    ] {
        assert_eq!(server.get(path).await.0, 400, "{path}");
    }
    let odd = |jpy: &str, reason: &str| json!({"name": "x", "period": "2026-10", "jpy": jpy, "reason": reason, "payer": "999900001111"});
    for body in [
        odd("1e2147483647", "x"),
        odd("1e-2147483648", "x"),
        odd("9999999999999999999999", "x"),
        odd("-1000000000001", "x"),
        odd("1", "a\u{0}b"),
    ] {
        let (status, refused) = post(&server, "/api/v1/manual-pools", None, &body).await;
        assert_eq!(status, 400, "{body}: {refused}");
    }
    let rules = |dry_run: bool| json!({"dry_run": dry_run, "rules": [{"pool": "tax", "method": "one_department", "members": "it", "fallback": "", "legal_entity": "", "valid_from": "2026-04", "valid_to": ""}]});
    let (status, kept) = post(&server, "/api/v1/rules", None, &rules(true)).await;
    assert_eq!((status, &kept["version"]), (200, &Value::Null));
    assert!(
        kept["moved"]
            .as_array()
            .unwrap()
            .iter()
            .any(|moved| moved["department"] == "it"),
        "{kept}"
    );
    let before = get(&server, "/api/v1/rules").await["version"].clone();
    let (status, kept) = post(&server, "/api/v1/rules", Some("once"), &rules(false)).await;
    assert_eq!(status, 201);
    assert_ne!(kept["version"], before);
    // The same key again makes no further version.
    assert_eq!(
        post(&server, "/api/v1/rules", Some("once"), &rules(false)).await.1,
        kept
    );
    assert_eq!(get(&server, "/api/v1/rules").await["version"], kept["version"]);
    let pool = json!({"name": "support", "period": "2026-10", "jpy": "3000", "reason": "AWS support", "payer": "999900001111"});
    assert_eq!(post(&server, "/api/v1/manual-pools", None, &pool).await.0, 201);
    assert_eq!(post(&server, "/api/v1/manual-pools", None, &pool).await.0, 409);
    assert_eq!(
        get(&server, "/api/v1/manual-pools?period=2026-10").await["data"][0]["jpy"]["amount"],
        "3000"
    );
    let header: Vec<&str> = INVOICES.lines().next().unwrap().split(',').collect();
    let row: serde_json::Map<String, Value> = header
        .iter()
        .zip("EUINJP26-100,999900001111,Amazon Web Services Japan G.K.,T6011001106696,invoice,,2026-11-02,2026-10,JPY,195.00,31201,charged,0.10,19.50,3120".split(','))
        .map(|(name, cell)| ((*name).to_owned(), Value::from(cell)))
        .collect();
    let invoices = json!({"invoices": [row]});
    let (status, recorded) = post(&server, "/api/v1/invoices", None, &invoices).await;
    assert_eq!(
        (status, recorded["findings"].as_array().map(Vec::len)),
        (201, Some(0)),
        "{recorded}"
    );
    assert_eq!(post(&server, "/api/v1/invoices", None, &invoices).await.0, 409);
}
