//! Every panel's SQL runs against a migrated database, with Grafana's macros replaced.

use serde_json::Value;

use crate::support::database;

#[tokio::test]
async fn every_panel_runs() {
    let database = database().await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboards");
    let mut panels = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "json") {
            continue;
        }
        let dashboard: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let sources = dashboard["panels"]
            .as_array()
            .unwrap()
            .iter()
            .chain(dashboard["templating"]["list"].as_array().unwrap());
        for panel in sources {
            let queries = panel["targets"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|t| &t["rawSql"])
                .chain([&panel["query"]]);
            for sql in queries.filter_map(Value::as_str) {
                assert!(
                    sql.contains("report."),
                    "{}: a panel reads views of schema report only: {sql}",
                    path.display()
                );
                let sql = sql
                    .replace("$__timeFilter(day)", "day between '2026-01-01' and '2026-12-31'")
                    .replace("$__timeFilter(month)", "month between '2026-01-01' and '2026-12-31'")
                    .replace("${month}", "2026-10-01");
                sqlx::query(sqlx::AssertSqlSafe(sql.clone()))
                    .fetch_all(&database.pool)
                    .await
                    .unwrap_or_else(|e| panic!("{}: {sql}: {e}", path.display()));
                panels += 1;
            }
        }
    }
    assert!(panels >= 5, "{panels}");
}
