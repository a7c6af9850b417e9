//! The directory and the undecided of October, changed over HTTP and on their pages.

use serde_json::{Value, json};

use crate::books::october::october_with;
use crate::peers::Serving;

async fn send(server: &Serving, method: reqwest::Method, path: &str, body: &Value) -> (u16, Value) {
    let request = reqwest::Client::new().request(method, format!("{}{path}", server.address));
    let sent = request.json(body).send().await.unwrap();
    let status = sent.status().as_u16();
    (status, serde_json::from_str(&sent.text().await.unwrap()).unwrap())
}

async fn post(server: &Serving, path: &str, body: &Value) -> (u16, Value) {
    send(server, reqwest::Method::POST, path, body).await
}

async fn patch(server: &Serving, path: &str, body: &Value) -> (u16, Value) {
    send(server, reqwest::Method::PATCH, path, body).await
}

async fn get(server: &Serving, path: &str) -> Value {
    let (status, body) = server.get(path).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// What a form's page says.
async fn submit(server: &Serving, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let encoded: Vec<String> = fields
        .iter()
        .map(|(name, value)| {
            let value: String = value.bytes().map(|byte| format!("%{byte:02X}")).collect();
            format!("{name}={value}")
        })
        .collect();
    let request = reqwest::Client::new()
        .post(format!("{}{path}", server.address))
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body(encoded.join("&"));
    let sent = request.send().await.unwrap();
    (sent.status().as_u16(), sent.text().await.unwrap())
}

async fn total(server: &Serving, department: &str) -> String {
    let month = get(server, "/api/v1/chargeback/2026-10").await;
    let rows = month["rows"].as_array().unwrap().iter();
    let found = rows.filter(|row| row["code"] == department);
    found
        .map(|row| row["total"]["amount"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn the_directory_is_changed_row_by_row_over_http() {
    let company = october_with("directory-http", "").await;
    let server = Serving::start(&company.installation).await;
    let departments = "/api/v1/departments";
    let legal = json!({"code": "legal", "name": "Legal", "name_ja": "法務部", "cost_center": "0001900", "legal_entity": "JP01", "valid_from": "2026-04-01"});
    for (body, pointer) in [
        (
            json!({"code": "sales", "name": "Again", "valid_from": "2026-05-01"}),
            "body",
        ),
        (json!({"code": "x", "name": "X", "valid_from": "1 April"}), "valid_from"),
        (
            json!({"code": "x", "name": "X", "valid_from": "2026-04-01", "parent_code": "nobody"}),
            "parent_code",
        ),
        (
            json!({"code": "x", "name": "X", "valid_from": "2026-04-01", "colour": "red"}),
            "body",
        ),
        (json!({"code": 7}), "body"),
        (json!([]), "body"),
    ] {
        let (status, refused) = post(&server, departments, &body).await;
        assert_eq!(
            (status, refused["pointer"].as_str()),
            (400, Some(pointer)),
            "{body}: {refused}"
        );
    }
    let (status, tried) = post(&server, &format!("{departments}?dry_run=true"), &legal).await;
    assert_eq!((status, &tried["version"]), (200, &Value::Null), "{tried}");
    assert_eq!(tried["changes"][0]["row"], "legal from 2026-04-01");
    assert!(!get(&server, departments).await.to_string().contains("法務部"));
    let (status, added) = post(&server, departments, &legal).await;
    assert!(status == 201 && added["version"].is_i64(), "{added}");
    let (status, _) = patch(
        &server,
        departments,
        &json!({"code": "tax", "valid_from": "2026-04-01"}),
    )
    .await;
    assert_eq!(status, 404);

    // Tanaka goes to legal on the 1st of October: the role still names research, so nothing moves, and it is told.
    let people = "/api/v1/people";
    let (status, ended) = patch(
        &server,
        people,
        &json!({"person_id": "p3", "valid_from": "2026-04-01", "valid_to": "2026-10-01"}),
    )
    .await;
    assert_eq!(status, 200, "{ended}");
    let moved = json!({"person_id": "p3", "name": "田中 実", "email": "tanaka@example.com", "department_code": "legal", "valid_from": "2026-10-01"});
    assert_eq!(post(&server, people, &moved).await.0, 201);
    let october = get(&server, &format!("{people}?on=2026-10-15")).await;
    let tanaka = october["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["person_id"] == "p3");
    assert_eq!(tanaka.unwrap()["department_code"], "legal");
    let page = get(&server, &format!("{people}?limit=1")).await;
    assert_eq!(page["next_cursor"], "1");
    // An abolished code needs its successor, or its people somewhere to be.
    let gone =
        json!({"code": "research", "valid_from": "2026-04-01", "valid_to": "2026-10-01", "successor_code": "legal"});
    let (status, ended) = patch(&server, departments, &gone).await;
    assert_eq!(status, 200, "{ended}");
    let moves: Vec<&str> = ended["moved"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|m| m["department"].as_str())
        .collect();
    assert_eq!(moves, ["legal", "research"]);
    // 33.33 USD at the TTM: 5,329.80.
    assert_eq!(
        (total(&server, "research").await, total(&server, "legal").await),
        (String::new(), "5330".to_owned())
    );
}

/// The gateway's 10 USD are 1,599.10 yen at the TTM; with them sales has 6,667 of 100 less of the shares it had by the rule.
#[tokio::test]
async fn an_undecided_principal_is_asked_about_and_decided_on_its_page() {
    let company = october_with("quarantine", "").await;
    let server = Serving::start(&company.installation).await;
    let arn = "arn:aws:sts::111122223333:assumed-role/llm-gateway/s";
    let undecided = get(&server, "/api/v1/principals?state=quarantined&period=2026-10").await;
    let found = &undecided["data"][0];
    assert_eq!(found["arn"], arn);
    // Nobody owns the account: Sato uses it most.
    assert_eq!(found["likely_owner"]["person"], "p1");
    assert_eq!(found["question"], Value::Null);
    let ask = |person: &str, day: &str| json!({"arn": arn, "person": person, "remind_on": day});
    let questions = "/api/v1/principals/questions";
    assert_eq!(post(&server, questions, &ask("nobody", "2199-01-01")).await.0, 400);
    assert_eq!(post(&server, questions, &ask("p1", "2020-01-01")).await.0, 400);
    assert_eq!(post(&server, questions, &ask("p1", "2199-01-01")).await.0, 201);
    let (status, page) = server.get("/quarantine/2026-10").await;
    assert!(
        status == 200 && page.contains("p1 was asked by") && page.contains("mailto:sato@example.com"),
        "{page}"
    );

    let before = total(&server, "sales").await;
    let fields = |step| {
        [
            ("step", step),
            ("arn", arn),
            ("department", "sales"),
            ("person", ""),
            ("from", "2026-10-01"),
        ]
    };
    let (status, shown) = submit(&server, "/quarantine/2026-10", &fields("preview")).await;
    assert!(
        status == 200 && shown.contains("This would move the yen below") && shown.contains("<td>sales</td>"),
        "{shown}"
    );
    assert_eq!(total(&server, "sales").await, before);
    // The whole role is the gateway's by an entry that fits as well.
    let whole = [fields("preview").as_slice(), &[("any_session", "on")]].concat();
    let (_, shown) = submit(&server, "/quarantine/2026-10", &whole).await;
    assert!(shown.contains("another entry fits this principal as well"), "{shown}");
    let wrong = [
        ("step", "save"),
        ("arn", arn),
        ("department", "nobody"),
        ("from", "2026-10-01"),
    ];
    let (status, shown) = submit(&server, "/quarantine/2026-10", &wrong).await;
    assert!(
        status == 200 && shown.contains("&#39;nobody&#39; is not in the directory"),
        "{shown}"
    );
    let (status, saved) = submit(&server, "/quarantine/2026-10", &fields("save")).await;
    assert!(
        status == 200 && saved.contains("Saved.") && saved.contains("Nobody is undecided"),
        "{saved}"
    );
    assert_ne!(total(&server, "sales").await, before);
    // The same over the API: it has an entry now.
    let again = json!({"arn": arn, "department": "it", "from": "2026-10-01"});
    let (status, refused) = post(&server, "/api/v1/principals/assign", &again).await;
    assert!(
        status == 400 && refused["detail"].as_str().unwrap().contains("has an entry"),
        "{refused}"
    );

    // Rows can be changed on a page as well.
    let row = [
        ("step", "preview"),
        ("change", "amend"),
        ("code", "it"),
        ("valid_from", "2026-04-01"),
        ("name_ja", "<b>情シス</b>"),
    ];
    let (status, shown) = submit(&server, "/directory/departments", &row).await;
    assert!(
        status == 200 && shown.contains("No yen would move") && !shown.contains("<b>情シス"),
        "{shown}"
    );
    let row = row.map(|(name, value)| (name, if name == "step" { "save" } else { value }));
    assert!(
        submit(&server, "/directory/departments", &row)
            .await
            .1
            .contains("Saved.")
    );
    assert!(
        get(&server, "/api/v1/departments")
            .await
            .to_string()
            .contains("<b>情シス</b>")
    );
    assert_eq!(server.get("/directory/nothing").await.0, 404);
    // Another site's form is refused.
    let foreign = reqwest::Client::new()
        .post(format!("{}/quarantine/2026-10", server.address))
        .header("Origin", "https://elsewhere.example")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .body("step=save");
    assert_eq!(foreign.send().await.unwrap().status().as_u16(), 403);
    // What is written out imports again without a change.
    let folder = company.folder.join("written");
    company
        .run(&["directory", "export", &folder.display().to_string()])
        .await;
    let files: Vec<String> = ["departments", "people", "projects", "principals"]
        .iter()
        .map(|name| folder.join(format!("{name}.csv")).display().to_string())
        .collect();
    let import: Vec<&str> = ["directory", "import"]
        .into_iter()
        .chain(files.iter().map(String::as_str))
        .collect();
    let unchanged = company.json(&import).await;
    assert_eq!(
        unchanged["departments"],
        json!({"added": [], "changed": [], "removed": []})
    );
    assert_eq!(
        unchanged["principals"],
        json!({"added": [], "changed": [], "removed": []})
    );
}
