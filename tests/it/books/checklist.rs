//! October's checklist, and the departments' own statements: sent by a real mail server, received, disputed, settled.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::books::company::{Company, DIRECTORY};
use crate::books::october::{INVOICES, october_with};
use crate::support::left_out;

async fn tasks(company: &Company) -> Vec<(String, String)> {
    let month = company.json(&["month", "2026-10"]).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let tasks = month["tasks"].as_array().unwrap().iter();
    tasks
        .filter(|task| task["state"] != "done")
        .map(|task| (text(&task["task"]), text(&task["due"])))
        .collect()
}

fn due(rows: &[(&str, &str)]) -> Vec<(String, String)> {
    rows.iter()
        .map(|(task, day)| ((*task).to_owned(), (*day).to_owned()))
        .collect()
}

/// Business days of November 2026: 2, 4, 5, 6, 9, 10, 11, 12, 13, 16; the 3rd is Culture Day.
#[tokio::test]
async fn what_is_left_shrinks_to_nothing() {
    let settings = "due_business_days = { lock = 12 }\nowners = { invoices = '経理' }\n[[journal.sources]]\nsource_department = 'it'\naccount_code = '7101'\n";
    let company = october_with("checklist", settings).await;
    let first = tasks(&company).await;
    assert_eq!(
        first,
        due(&[
            ("provisional", "2026-11-05"),
            ("accrual", "2026-11-06"),
            ("invoices", "2026-11-09"),
            ("final", "2026-11-11"),
            ("journal", "2026-11-12"),
            // The 12th business day: 17 is the eleventh, 18 the twelfth.
            ("lock", "2026-11-18"),
            ("statements", "2026-11-16"),
        ])
    );
    let month = company.json(&["month", "2026-10"]).await;
    let invoices = month["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["task"] == "invoices")
        .unwrap();
    assert_eq!(
        (invoices["owner"].as_str(), invoices["amount"]["currency"].as_str()),
        (Some("経理"), Some("USD"))
    );
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    company
        .run(&["chargeback", "posted", "2026-10", "--slip", "100131"])
        .await;
    assert_eq!(
        tasks(&company).await,
        due(&[("lock", "2026-11-18"), ("statements", "2026-11-16")])
    );
}

#[tokio::test]
async fn a_department_without_an_account_is_listed_before_the_close() {
    let company = october_with("unmapped", "").await;
    let departments = DIRECTORY[0].1.replace("開発本部,,0001200,", "開発本部,,,");
    company
        .run(&["directory", "import", &company.file("departments.csv", &departments)])
        .await;
    let (code, said) = company
        .refused(&["chargeback", "close", "2026-10", "--to", "provisional"])
        .await;
    assert!(
        code == Some(3) && said.contains("2026-10 stays as it is: mappings"),
        "{said}"
    );
    let month = company.json(&["month", "2026-10"]).await;
    let mappings = month["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["task"] == "mappings")
        .unwrap();
    assert!(
        mappings["what"]
            .as_str()
            .unwrap()
            .contains("engineering in the directory (cost centre)"),
        "{mappings}"
    );
}

/// Manages sales and engineering; nobody manages research.
const MANAGED: &str = "person_id,name,email,department_code,manager_person_id,valid_from,valid_to\n\
    m1,高橋 部長,takahashi@example.com,it,,2026-04-01,\n\
    p1,佐藤 花子,sato@example.com,sales,m1,2026-04-01,\n\
    p2,鈴木 一郎,suzuki@example.com,engineering,m1,2026-04-01,\n\
    p3,田中 実,tanaka@example.com,research,,2026-04-01,\n";

#[tokio::test]
async fn departments_get_their_own_statement_and_answer_it() {
    let company = october_with("letters", "[mail]\nfrom = 'anbun <anbun@example.com>'\n").await;
    company
        .run(&["directory", "import", &company.file("people.csv", MANAGED)])
        .await;
    let send = ["chargeback", "send", "2026-10"];
    assert!(
        company
            .refused(&send)
            .await
            .1
            .contains("departments are told once it is final")
    );
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    assert!(company.refused(&send).await.1.contains("[mail] url is not set"));

    // As letters in a folder: research has nobody to send it to.
    let folder = company.folder.join("letters");
    let shown = folder.display().to_string();
    let (code, said) = company
        .refused(&["chargeback", "send", "2026-10", "--folder", &shown])
        .await;
    assert!(
        code == Some(3) && said.contains("1 departments have not been sent"),
        "{said}"
    );
    let letter = std::fs::read_to_string(folder.join("anbun-2026-10-v1-sales.eml")).unwrap();
    assert!(
        letter.contains("takahashi@example.com") && letter.contains("text/csv"),
        "{letter}"
    );
    let answers = company.json(&["chargeback", "answer", "2026-10"]).await;
    let standing = |answers: &Value, code: &str| -> Value {
        let found = answers["data"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["department"] == code);
        found.unwrap().clone()
    };
    assert_eq!(standing(&answers, "sales")["sent_to"], "m1");
    assert_eq!(standing(&answers, "sales")["amount"]["amount"], "13816");
    assert_eq!(standing(&answers, "research")["sent_to"], Value::Null);

    let say = |department: &'static str, more: &[&'static str]| {
        [&["chargeback", "answer", "2026-10", department], more].concat()
    };
    company.run(&say("engineering", &["--received"])).await;
    let (_, said) = company
        .refused(&say("sales", &["--dispute", "13817", "--reason", "x"]))
        .await;
    assert!(said.contains("from 1 up to the 13816"), "{said}");
    assert!(
        company
            .refused(&say("sales", &["--dispute", "1000"]))
            .await
            .1
            .contains("say why")
    );
    assert!(
        company
            .refused(&say("sales", &["--settle", "--reason", "x"]))
            .await
            .1
            .contains("only what is disputed")
    );
    assert!(
        company
            .refused(&say("legal", &["--received"]))
            .await
            .1
            .contains("charges no department 'legal'")
    );
    company
        .run(&say(
            "sales",
            &["--dispute", "1000", "--reason", "the gateway was engineering's"],
        ))
        .await;
    let month = company.json(&["month", "2026-10"]).await;
    let task = month["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|task| task["task"] == "statements")
        .unwrap();
    assert_eq!(
        (task["state"] != "done", task["amount"]["amount"].as_str()),
        (true, Some("1000"))
    );
    company.run(&say("sales", &["--settle", "--reason", "reclass 1"])).await;
    let answers = company.json(&["chargeback", "answer", "2026-10"]).await;
    assert_eq!(standing(&answers, "sales")["answer"], "settled");
    assert_eq!(standing(&answers, "sales")["disputed"]["amount"], "0");
}

/// Through a mail server: what it took is written on its output.
#[tokio::test]
async fn a_mail_server_takes_the_letters() {
    let Ok(python) = std::env::var("ANBUN_TEST_PYTHON") else {
        return left_out("ANBUN_TEST_PYTHON is not set");
    };
    let script = "import asyncio, email, sys\nfrom email import policy\nfrom aiosmtpd.controller import Controller\n\
class Took:\n    async def handle_DATA(self, server, session, envelope):\n        m = email.message_from_bytes(envelope.content, policy=policy.default)\n        print('TOOK', ','.join(envelope.rcpt_tos), '|', m['subject'], '|', m.get_body().get_content().splitlines()[4], '|', [p.get_filename() for p in m.iter_attachments()], flush=True)\n        return '250 OK'\n\
import socket\ns = socket.socket(); s.bind(('127.0.0.1', 0)); port = s.getsockname()[1]; s.close()\n\
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
    let port = port.strip_prefix("PORT ").unwrap();
    let settings = format!("[mail]\nfrom = 'anbun@example.com'\nurl = 'smtp://127.0.0.1:{port}'\n");
    let company = october_with("smtp", &settings).await;
    company
        .run(&["directory", "import", &company.file("people.csv", MANAGED)])
        .await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    company.run(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    company.refused(&["chargeback", "send", "2026-10"]).await;
    let first = said.next_line().await.unwrap().unwrap();
    assert_eq!(
        first,
        "TOOK takahashi@example.com | Claude利用料 2026年10月分 開発本部 ¥7,546 | 合計 ¥7,546 | ['anbun-2026-10-v1-engineering.csv']"
    );
    assert!(said.next_line().await.unwrap().unwrap().contains("営業部 ¥13,816"));
    // Sent once: only research is left, which nobody manages.
    company.refused(&["chargeback", "send", "2026-10"]).await;
    drop(server.stdin.take());
    assert_eq!(said.next_line().await.unwrap(), None);
}
