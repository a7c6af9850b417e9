//! The server as a client sees it: real HTTP against the real program's router and a real database.

use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::exports::SmallExport;
use crate::support::{database, import_directory, load, scratch, settings};
use anbun::clock::Clock;
use anbun::config::Config;
use anbun::domain::actor::Role;
use anbun::http::{AppState, server};
use anbun::sample::{SampleSize, write_sample};
use anbun::store::database::Database;
use anbun::store::tokens::create_token;

struct Server {
    address: SocketAddr,
    database: Database,
    client: reqwest::Client,
}

impl Server {
    /// Serves a database; a sample month of a few people is in it unless it is to be empty.
    async fn start(filled: bool) -> Self {
        let database = database().await;
        if filled {
            let folder = scratch("api-sample");
            let size = SampleSize {
                first: "2026-07".parse().unwrap(),
                months: 2,
                people: 8,
                seed: 3,
            };
            write_sample(&folder, size, &|_| {}).unwrap();
            import_directory(&database, &folder.join("directory")).await;
            load(&database, &folder.join("export")).await;
        }
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let state = AppState {
            database: database.clone(),
            config: Arc::new(Config::default()),
            attribution: Arc::new(settings()),
            clock: Clock::System,
            is_loopback_only: true,
            metrics: recorder.handle(),
        };
        let router = server::application(
            anbun::api::router().merge(anbun::web::router()),
            anbun::api::slack::router(),
            state,
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            address,
            database,
            client,
        }
    }

    async fn get(&self, path: &str) -> Response {
        self.client
            .get(format!("http://{}{path}", self.address))
            .send()
            .await
            .unwrap()
    }

    async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        response.json().await.unwrap()
    }

    async fn problem(&self, path: &str) -> (u16, String, String) {
        let response = self.get(path).await;
        let status = response.status().as_u16();
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let problem: Value = response.json().await.unwrap();
        assert!(
            problem["request_id"].is_string() && problem["status"] == status,
            "{path}: {problem}"
        );
        (
            status,
            problem["code"].as_str().unwrap().to_owned(),
            problem["pointer"].as_str().unwrap_or("").to_owned(),
        )
    }
}

fn whole(money: &Value) -> i128 {
    money["amount"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_chargeback_adds_up_in_every_view_and_currency() {
    let server = Server::start(true).await;
    let mut totals = Vec::new();
    for by in ["department", "person", "project"] {
        let month = server.json(&format!("/api/v1/chargeback/2026-08?by={by}")).await;
        assert_eq!(
            (
                month["basis"].as_str(),
                month["state"].as_str(),
                month["currency"].as_str()
            ),
            (Some("bill"), Some("open"), Some("JPY"))
        );
        assert_eq!(month["rates"][0]["value"], "150.00");
        assert!(month["data_as_of"].is_string() && month["findings"].is_array());
        let rows: i128 = month["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| whole(&row["total"]))
            .sum();
        let kept: i128 = ["unattributed", "kept_visible"]
            .iter()
            .flat_map(|part| month[part].as_array().unwrap())
            .map(|kept| whole(&kept["amount"]))
            .sum();
        assert_eq!(rows + kept, whole(&month["total"]), "{by}");
        totals.push((rows, whole(&month["total"])));
    }
    assert!(totals.windows(2).all(|pair| pair[0] == pair[1]));
    let usd = server.json("/api/v1/chargeback/2026-08?currency=USD").await;
    let sum: rust_decimal::Decimal = usd["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            row["total"]["amount"]
                .as_str()
                .unwrap()
                .parse::<rust_decimal::Decimal>()
                .unwrap()
        })
        .sum();
    let kept: rust_decimal::Decimal = ["unattributed", "kept_visible"]
        .iter()
        .flat_map(|part| usd[part].as_array().unwrap())
        .map(|k| {
            k["amount"]["amount"]
                .as_str()
                .unwrap()
                .parse::<rust_decimal::Decimal>()
                .unwrap()
        })
        .sum();
    assert_eq!(sum + kept, usd["total"]["amount"].as_str().unwrap().parse().unwrap());
    let stored: rust_decimal::Decimal =
        sqlx::query_scalar("select sum(cost) from charges where billing_period = '2026-08-01'")
            .fetch_one(&server.database.pool)
            .await
            .unwrap();
    assert_eq!(
        usd["total"]["amount"]
            .as_str()
            .unwrap()
            .parse::<rust_decimal::Decimal>()
            .unwrap(),
        stored.normalize()
    );
}

#[tokio::test]
async fn slices_group_filter_and_add_up() {
    let server = Server::start(true).await;
    let whole = server.json("/api/v1/costs?from=2026-07-01&to=2026-09-01").await;
    for dimension in anbun::domain::dimension::Dimension::ALL {
        let slice = server
            .json(&format!(
                "/api/v1/costs?from=2026-07-01&to=2026-09-01&group_by={dimension}"
            ))
            .await;
        assert_eq!(slice["total"], whole["total"], "{dimension}");
        assert!(
            slice["data"]
                .as_array()
                .unwrap()
                .iter()
                .all(|row| row["dimensions"].as_object().unwrap().contains_key(dimension.as_str())),
            "{dimension}"
        );
    }
    let models = server
        .json("/api/v1/costs?group_by=model,token-kind&where=charge-type=Usage;model=claude-haiku-4.5")
        .await;
    assert_eq!(models["data"].as_array().unwrap().len(), 4);
    let nobody = server.json("/api/v1/costs?group_by=department&where=department=").await;
    assert!(
        nobody["data"]
            .as_array()
            .unwrap()
            .iter()
            .all(|row| row["dimensions"]["department"].is_null())
    );
    let missing = server.json("/api/v1/costs?from=2026-06-01&to=2026-09-01").await;
    assert!(
        missing["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|f| f["code"] == "month_not_loaded" && f["subject"] == "2026-06")
    );
}

#[tokio::test]
async fn what_a_client_sends_wrong_is_its_own_error() {
    let server = Server::start(true).await;
    for (path, status, code, pointer) in [
        ("/api/v1/chargeback/2026-13", 400, "bad_parameter", "period"),
        ("/api/v1/chargeback/now", 400, "bad_parameter", "period"),
        ("/api/v1/chargeback/2025-01", 404, "not_found", ""),
        ("/api/v1/chargeback/2026-08?by=team", 400, "bad_parameter", "by"),
        (
            "/api/v1/chargeback/2026-08?currency=EUR",
            400,
            "bad_parameter",
            "currency",
        ),
        ("/api/v1/chargeback/2026-08?unknown=1", 400, "bad_parameter", "query"),
        (
            "/api/v1/costs?from=2026-08-01&to=2026-08-01",
            400,
            "bad_parameter",
            "to",
        ),
        ("/api/v1/costs?from=yesterday", 400, "bad_parameter", "from"),
        ("/api/v1/costs?from=9999-99-99", 400, "bad_parameter", "from"),
        ("/api/v1/costs?group_by=colour", 400, "bad_parameter", "group_by"),
        (
            "/api/v1/costs?group_by=day%27%3Bdrop%20table%20charges",
            400,
            "bad_parameter",
            "group_by",
        ),
        ("/api/v1/costs?where=model", 400, "bad_parameter", "where"),
        ("/api/v1/principals?state=lost", 400, "bad_parameter", "state"),
        ("/api/v1/principals?limit=0", 400, "bad_parameter", "limit"),
        ("/api/v1/principals?cursor=x", 400, "bad_parameter", "cursor"),
        ("/api/v1/principals?period=2020-01", 404, "not_found", ""),
        ("/api/v1/people/nobody/usage?period=2026-08", 404, "not_found", ""),
        ("/api/v1/people/nobody/usage", 400, "bad_parameter", "query"),
        ("/api/v1/nothing", 404, "not_found", ""),
        ("/api/v1/people/%00/usage?period=2026-08", 400, "bad_parameter", "uri"),
        ("/api/v1/costs?where=model=%00", 400, "bad_parameter", "uri"),
    ] {
        assert_eq!(
            server.problem(path).await,
            (status, code.to_owned(), pointer.to_owned()),
            "{path}"
        );
    }
    // A value that looks like SQL is a value.
    let slice = server.json("/api/v1/costs?where=model=x%27%20or%20%271%27=%271").await;
    assert_eq!(slice["data"].as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_token_opens_what_its_role_allows() {
    let server = Server::start(true).await;
    let mut connection = server.database.pool.acquire().await.unwrap();
    let mut secret = async |name: &str, role| {
        create_token(&mut connection, name, role, Clock::System.now(), "test")
            .await
            .unwrap()
            .unwrap()
    };
    let (finance, operator) = (
        secret("finance", Role::Finance).await,
        secret("operator", Role::Operator).await,
    );
    let status = async |path: &str, token: Option<&str>| {
        let request = server.client.get(format!("http://{}{path}", server.address));
        token
            .map_or(request.try_clone().unwrap(), |token| request.bearer_auth(token))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    for path in [
        "/api/v1/chargeback/2026-08",
        "/chargeback/2026-08",
        "/metrics",
        "/api/openapi.json",
        "/api/docs",
    ] {
        assert_eq!(status(path, None).await, 401, "{path}");
        assert_eq!(status(path, Some("anbun_wrong")).await, 401, "{path}");
        assert_eq!(status(path, Some(&operator)).await, 200, "{path}");
    }
    for path in [
        "/api/v1/chargeback/2026-08?by=person",
        "/api/v1/principals",
        "/api/v1/people/E00001/usage?period=2026-08",
        "/api/v1/costs?group_by=session",
    ] {
        assert_eq!(
            (status(path, Some(&operator)).await, status(path, Some(&finance)).await),
            (403, 200),
            "{path}"
        );
    }
    // What would move of a principal is what somebody costs.
    let row = serde_json::json!({"account_id": "*", "role_name": "x", "kind": "person", "valid_from": "2026-04-01"});
    let assign = serde_json::json!({
        "arn": "arn:aws:sts::111122223333:assumed-role/x/y", "department": "d", "from": "2026-08-01", "dry_run": true,
    });
    for (path, body) in [
        ("/api/v1/principals/assign", &assign),
        ("/api/v1/principals/entries?dry_run=true", &row),
    ] {
        let request = server.client.post(format!("http://{}{path}", server.address));
        let sent = request.bearer_auth(&operator).json(body).send().await.unwrap();
        assert_eq!(sent.status(), StatusCode::FORBIDDEN, "{path}");
    }
    let budgets = [("company", ""), ("person", "E00001")].map(|(scope, code)| {
        serde_json::json!({
            "name": scope, "scope": scope, "code": code, "frequency": "month", "currency": "USD", "amount": "5", "rate": "", "valid_from": "2026-04", "valid_to": "",
            "owner_person_id": "E00001",
        })
    });
    let request = server.client.post(format!("http://{}/api/v1/budgets", server.address));
    let budgets = serde_json::json!({ "budgets": budgets });
    let sent = request.bearer_auth(&finance).json(&budgets).send().await.unwrap();
    assert_eq!(sent.status(), StatusCode::CREATED, "{}", sent.text().await.unwrap());
    for (token, expected) in [(&operator, false), (&finance, true)] {
        let request = server.client.get(format!("http://{}/api/v1/budgets", server.address));
        let shown = request.bearer_auth(token).send().await.unwrap().text().await.unwrap();
        assert_eq!(shown.contains("E00001"), expected, "{shown}");
    }
    assert_eq!(
        (status("/healthz", None).await, status("/readyz", None).await),
        (200, 200)
    );
    // The page of somebody who may not see people has none.
    let page = server
        .client
        .get(format!("http://{}/chargeback/2026-08", server.address))
        .bearer_auth(&operator)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(!page.contains("<h2>People</h2>") && !page.contains("E00001"));
    // Reading people is noted.
    let reads: Vec<String> = sqlx::query_scalar("select distinct actor from personal_data_reads")
        .fetch_all(&server.database.pool)
        .await
        .unwrap();
    assert_eq!(reads, ["finance"]);
    let basic = server
        .client
        .get(format!("http://{}/chargeback/2026-08", server.address))
        .basic_auth("any", Some(&finance))
        .send()
        .await
        .unwrap();
    assert_eq!(basic.status(), StatusCode::OK);
}

/// Without tokens the server is for the machine's own user: a web page that reaches it by a name of its own is refused.
#[tokio::test]
async fn a_foreign_name_for_loopback_is_refused() {
    let server = Server::start(false).await;
    let response = server
        .client
        .get(format!("http://{}/api/v1/deliveries", server.address))
        .header("host", "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let proxied = server
        .client
        .get(format!("http://{}/api/v1/deliveries", server.address))
        .header("x-forwarded-for", "10.0.0.9");
    assert_eq!(proxied.send().await.unwrap().status(), StatusCode::UNAUTHORIZED);
    // A token that was ended does not open the server again.
    assert_eq!(server.get("/api/v1/deliveries").await.status(), StatusCode::OK);
    let mut connection = server.database.pool.acquire().await.unwrap();
    create_token(&mut connection, "once", Role::Admin, Clock::System.now(), "test")
        .await
        .unwrap();
    anbun::store::tokens::revoke_token(&mut connection, "once", Clock::System.now())
        .await
        .unwrap();
    assert_eq!(
        server.get("/api/v1/deliveries").await.status(),
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn principals_are_paged_and_explained() {
    let server = Server::start(true).await;
    let mut seen = 0;
    let mut cursor = String::new();
    loop {
        let page = server
            .json(&format!("/api/v1/principals?period=2026-08&limit=5{cursor}"))
            .await;
        seen += page["data"].as_array().unwrap().len();
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let all = server.json("/api/v1/principals?period=2026-08&limit=1000").await;
    assert_eq!(all["data"].as_array().unwrap().len(), seen);
    let quarantined = server.json("/api/v1/principals?period=2026-08&state=quarantined").await;
    assert!(
        quarantined["data"]
            .as_array()
            .unwrap()
            .iter()
            .any(|row| row["reason"] == "shared_principal")
    );
    let arn = "arn:aws:sts::111100002222:assumed-role/cowork-data-platform-nobody/s";
    let explained = server
        .json(&format!(
            "/api/v1/principals/explain?arn={arn}&on=2026-08-01&tags=iamPrincipal/department%3Dsales"
        ))
        .await;
    assert_eq!(
        (
            explained["state"].as_str(),
            explained["department"].as_str(),
            explained["rule"].as_str()
        ),
        (Some("attributed"), Some("sales"), Some("tag"))
    );
    let rules: Vec<&str> = explained["tried"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["rule"].as_str().unwrap())
        .collect();
    assert_eq!(rules, ["directory", "tag", "role_name", "session_name", "account"]);
}

#[tokio::test]
async fn pages_are_whole_and_escape_what_a_bill_says() {
    let server = Server::start(true).await;
    let home = server.get("/").await;
    assert_eq!(
        (home.status().as_u16(), home.headers()["location"].to_str().unwrap()),
        (307, "/chargeback")
    );
    assert_eq!(
        server.get("/chargeback").await.headers()["location"],
        "/chargeback/2026-08"
    );
    let page = server.get("/chargeback/2026-08").await;
    assert!(
        page.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .contains("default-src 'none'")
    );
    let html = page.text().await.unwrap();
    for part in [
        "<h2>Departments</h2>",
        "<h2>People</h2>",
        "<h2>Models</h2>",
        "shared_principal",
        "claude-opus-5.5",
        "data as of",
        "<h2>Findings</h2>",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("<script"));
    let missing = server.get("/chargeback/2020-01").await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert!(
        missing
            .text()
            .await
            .unwrap()
            .contains("no delivery of 2020-01 is loaded")
    );
    assert_eq!(
        server.get("/chargeback/%3Cscript%3E").await.status(),
        StatusCode::BAD_REQUEST
    );
    assert!(
        !server
            .get("/chargeback/%3Cscript%3E")
            .await
            .text()
            .await
            .unwrap()
            .contains("<script>")
    );
    // A charge type with markup in it, as a hostile file could have.
    let mut export = SmallExport {
        payer: "999900009999",
        period: "2026-09",
        ..SmallExport::new("markup")
    };
    export
        .lines
        .push((5, "<script>alert(1)</script>", "AmazonBedrock", "USD", 7.5));
    load(&server.database, export.write()).await;
    let html = server.get("/chargeback/2026-09").await.text().await.unwrap();
    assert!(html.contains("&#60;script&#62;") && !html.contains("<script>"));
}

#[tokio::test]
async fn an_empty_server_says_what_to_do() {
    let server = Server::start(false).await;
    assert!(
        server
            .get("/chargeback")
            .await
            .text()
            .await
            .unwrap()
            .contains("anbun ingest cur")
    );
    assert_eq!(server.problem("/api/v1/chargeback/2026-08").await.0, 404);
    assert_eq!(server.problem("/api/v1/costs").await.0, 404);
}

#[tokio::test]
async fn the_document_covers_every_route_and_the_page_shows_it() {
    let server = Server::start(false).await;
    let document = server.json("/api/openapi.json").await;
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let paths: Vec<&String> = document["paths"].as_object().unwrap().keys().collect();
    assert!(paths.len() >= 7, "{paths:?}");
    let page = server.get("/api/docs").await.text().await.unwrap();
    for path in paths {
        assert!(page.contains(path.as_str()), "{path}");
    }
}

#[tokio::test]
async fn requests_are_counted() {
    let server = Server::start(false).await;
    server.get("/healthz").await;
    assert_eq!(server.get("/metrics").await.status(), StatusCode::OK);
}
