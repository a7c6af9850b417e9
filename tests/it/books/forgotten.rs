//! Names in what is sealed: none, and nobody to be found once forgotten.

use crate::books::october::{INVOICES, bill, line, october};

/// Somebody left and is forgotten: the statement says the same yen under the same digest, and nobody's name with them.
#[tokio::test]
async fn a_person_is_forgotten_and_the_statement_stays() {
    let company = october("forgotten").await;
    company
        .run(&["invoices", "import", &company.file("invoices.csv", INVOICES)])
        .await;
    let closed = company.json(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    let (_, said) = company.refused(&["directory", "forget", "p3"]).await;
    assert!(said.contains("p3 is in the directory"), "{said}");
    let people = "person_id,name,email,department_code,manager_person_id,valid_from,valid_to\n\
         p1,佐藤 花子,sato@example.com,sales,,2026-04-01,\n\
         p2,鈴木 一郎,suzuki@example.com,engineering,,2026-04-01,\n";
    company
        .run(&["directory", "import", &company.file("people.csv", people)])
        .await;
    let by_person = async || {
        company
            .run(&["chargeback", "preview", "2026-10", "--by", "person"])
            .await
    };
    assert!(by_person().await.contains("p3"));
    let departments = company.rows("2026-10").await;
    company.run(&["directory", "forget", "p3"]).await;
    assert!(!by_person().await.contains("p3"));
    assert_eq!(company.rows("2026-10").await, departments);
    let again = company.json(&["chargeback", "close", "2026-10", "--to", "final"]).await;
    assert_eq!(again["statement"]["digest"], closed["statement"]["digest"]);
    let (_, said) = company.refused(&["directory", "forget", "p3"]).await;
    assert!(said.contains("no sealed statement has figures of p3"), "{said}");

    // A late delivery is decided as it was sealed: research has it, of somebody whom nobody can name.
    let mut late = bill();
    late.push(line("AmazonBedrock", "Usage", "cowork-research-tanaka", 1.0));
    company.deliver("2026-10", &late).await;
    let whose: Vec<(String, Option<String>)> = sqlx::query_as(
        "select distinct department, person from charges join principals using (principal_key) \
         join attributions using (attribution_key) \
         where billing_period = '2026-10-01' and role_name = 'cowork-research-tanaka'",
    )
    .fetch_all(&company.installation.database.pool)
    .await
    .unwrap();
    assert_eq!(whose.len(), 1, "{whose:?}");
    assert_eq!(whose[0].0, "research");
    assert!(whose[0].1.as_deref().is_some_and(|id| id.len() == 36), "{whose:?}");
}

/// What an earlier version of the program kept with names has none after the next start.
#[tokio::test]
async fn a_directory_that_was_kept_with_names_is_sealed_again() {
    let company = october("plain-directory").await;
    let database = &company.installation.database;
    let valid = r#"{"from": "2026-04-01", "to": null}"#;
    let plain = format!(
        r#"{{"departments": [], "projects": [], "people": [{{"person_id": "p1", "name": "", "email": "sato@example.com",
            "department_code": "sales", "manager_person_id": "", "valid": {valid}}}], "principals": [{{"account": "Any",
            "role": {{"Exactly": "sato-role"}}, "session": "Absent", "user": "Absent", "person_id": "p1", "department_code": "",
            "project_code": "", "kind": "Person", "valid": {valid}}}]}}"#
    );
    sqlx::query("insert into sealed_directories (directory_version, contents) select max(directory_version), $1::jsonb from directory_versions")
        .bind(plain)
        .execute(&database.pool)
        .await
        .unwrap();
    database.migrate().await.unwrap();
    let (kept, version): (String, i32) =
        sqlx::query_as("select contents::text, directory_version from sealed_directories")
            .fetch_one(&database.pool)
            .await
            .unwrap();
    assert!(!kept.contains("sato") && !kept.contains("p1"), "{kept}");
    let mut connection = database.pool.acquire().await.unwrap();
    let opened = anbun::store::sealed_directories::find_directory(&mut connection, version);
    let opened = opened.await.unwrap().unwrap();
    let day = opened.on("2026-10-01".parse().unwrap());
    assert_eq!(day.people_named("SATO@example.com"), ["p1"]);
    assert_eq!(day.people_named("sato"), ["p1"]);
}
