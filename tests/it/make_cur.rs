//! Exports with known exact totals: every figure that anbun stores equals the expected one to the digit.

use std::collections::BTreeMap;
use std::path::Path;

use sqlx::Row;

use crate::support::{self, database, import_directory, load, make_cur, write_export};
use anbun::domain::attribution::State;
use anbun::domain::money::Amount;
use anbun::store::database::Database;

/// A file of expected sums: its name, and the columns of its key in SQL over the stored charges.
struct Expected {
    file: &'static str,
    key: &'static [(&'static str, &'static str)],
    usage_only: bool,
    attributed_only: bool,
}

const STATE: (&str, &str) = ("state", "a.state");
const REASON: (&str, &str) = ("reason", "coalesce(a.reason, '')");
const TYPE: (&str, &str) = ("line_item_type", "b.charge_type");
const DEPARTMENT: (&str, &str) = ("department", "coalesce(a.department, '')");
const PERSON: (&str, &str) = ("person", "coalesce(a.person, '')");
const MODEL: [(&str, &str); 9] = [
    ("provider", "coalesce(m.provider, '')"),
    ("family", "coalesce(m.family, '')"),
    ("version", "coalesce(m.version, '')"),
    ("token_kind", "coalesce(m.token_kind, '')"),
    ("cache_ttl", "coalesce(m.cache_ttl, '')"),
    ("route", "coalesce(m.route, '')"),
    ("tier", "coalesce(m.tier, '')"),
    ("context", "coalesce(m.context, '')"),
    ("line_kind", "coalesce(m.line_kind, '')"),
];
const PERSON_MODEL: [(&str, &str); 11] = [
    DEPARTMENT, PERSON, MODEL[0], MODEL[1], MODEL[2], MODEL[3], MODEL[4], MODEL[5], MODEL[6], MODEL[7], MODEL[8],
];

const FILES: &[Expected] = &[
    Expected {
        file: "by_day.csv",
        key: &[TYPE, ("usage_date", "c.usage_date::text")],
        usage_only: false,
        attributed_only: false,
    },
    Expected {
        file: "by_department.csv",
        key: &[TYPE, STATE, REASON, DEPARTMENT],
        usage_only: false,
        attributed_only: false,
    },
    Expected {
        file: "by_person.csv",
        key: &[TYPE, STATE, REASON, DEPARTMENT, PERSON],
        usage_only: false,
        attributed_only: false,
    },
    Expected {
        file: "by_project.csv",
        key: &[TYPE, STATE, REASON, ("project", "coalesce(a.project, '')")],
        usage_only: false,
        attributed_only: false,
    },
    Expected {
        file: "by_rule.csv",
        key: &[TYPE, STATE, REASON, ("rule", "coalesce(a.rule, '')")],
        usage_only: false,
        attributed_only: false,
    },
    Expected {
        file: "by_invoice.csv",
        key: &[
            TYPE,
            ("payer", "y.account"),
            ("account", "o.account"),
            ("seller", "coalesce(b.seller, '')"),
            ("invoice_id", "coalesce(b.invoice, '')"),
        ],
        usage_only: false,
        attributed_only: false,
    },
    Expected {
        file: "by_user.csv",
        key: &[
            TYPE,
            DEPARTMENT,
            ("user", "coalesce(a.person, '')"),
            (
                "principal_kind",
                "case when b.charge_type <> 'Usage' then 'none' else coalesce(p.kind, 'none') end",
            ),
            // The title of the model as the expected files spell it.
            (
                "model",
                "case when b.charge_type <> 'Usage' or m.model is null then '' when m.provider = 'anthropic' then \
                trim('Claude ' || case m.family when 'claude' then '' else initcap(m.family) || ' ' end || m.version) \
                when m.provider = 'openai' then m.family else trim(initcap(replace(m.family, '-', ' ')) || ' ' || m.version) end",
            ),
            ("token_kind", "coalesce(m.token_kind, '')"),
        ],
        usage_only: false,
        attributed_only: false,
    },
    Expected {
        file: "by_model.csv",
        key: &MODEL,
        usage_only: true,
        attributed_only: false,
    },
    Expected {
        file: "by_person_model.csv",
        key: &PERSON_MODEL,
        usage_only: true,
        attributed_only: true,
    },
];

type Sums = BTreeMap<Vec<String>, (i64, Option<i64>, Amount, Amount)>;

fn read_expected(folder: &Path, expected: &Expected) -> Sums {
    let mut reader = csv::Reader::from_path(folder.join(expected.file)).unwrap();
    let headers = reader.headers().unwrap().clone();
    let at = |name: &str| headers.iter().position(|h| h == name);
    let amount = |text: &str| Amount::parse(text).unwrap();
    let mut sums = Sums::new();
    for record in reader.records() {
        let record = record.unwrap();
        let cell = |name: &str| {
            record
                .get(at(name).unwrap_or_else(|| panic!("{}: no column {name}", expected.file)))
                .unwrap()
                .to_owned()
        };
        let key = expected.key.iter().map(|(name, _)| cell(name)).collect();
        let tokens = at("tokens").map(|_| cell("tokens").parse().unwrap());
        sums.insert(
            key,
            (
                cell("lines").parse().unwrap(),
                tokens,
                amount(&cell("unblended_cost")),
                amount(&cell("net_unblended_cost")),
            ),
        );
    }
    sums
}

async fn read_stored(database: &Database, expected: &Expected, with_tokens: bool) -> Sums {
    let keys: Vec<&str> = expected.key.iter().map(|(_, sql)| *sql).collect();
    let keys = keys.join(", ");
    let filter = match (expected.usage_only, expected.attributed_only) {
        (_, true) => "where a.state = 'attributed'",
        (true, _) => "where b.charge_type = 'Usage'",
        _ => "",
    };
    let sql = format!(
        "select sum(c.lines)::bigint, sum(c.tokens)::bigint, sum(c.cost), sum(c.net_cost), {keys} from charges c \
         join bill_sections b using (section_key) join attributions a using (attribution_key) join meters m using (meter_key) \
         join accounts o on o.account_key = c.account_key join accounts y on y.account_key = c.payer_key left join principals p using (principal_key) \
         {filter} group by {keys}"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .fetch_all(&database.pool)
        .await
        .unwrap();
    let amount = |row: &sqlx::postgres::PgRow, at: usize| Amount::from_decimal(row.get(at)).unwrap();
    rows.iter()
        .map(|row| {
            let key = (0..expected.key.len()).map(|i| row.get::<String, _>(4 + i)).collect();
            (
                key,
                (
                    row.get(0),
                    with_tokens.then(|| row.get(1)),
                    amount(row, 2),
                    amount(row, 3),
                ),
            )
        })
        .collect()
}

/// Compares everything in `expected/` with what is stored.
async fn compare(database: &Database, export: &Path) {
    for expected in FILES {
        let wanted = read_expected(&export.join("expected"), expected);
        let with_tokens = wanted.values().any(|(_, tokens, ..)| tokens.is_some());
        let stored = read_stored(database, expected, with_tokens).await;
        let differ: Vec<_> = wanted
            .keys()
            .chain(stored.keys())
            .filter(|key| wanted.get(*key) != stored.get(*key))
            .collect();
        assert!(
            differ.is_empty(),
            "{}: {} rows differ, such as {:?}: expected {:?}, stored {:?}",
            expected.file,
            differ.len(),
            differ[0],
            wanted.get(differ[0]),
            stored.get(differ[0])
        );
    }
}

async fn check(name: &str, arguments: &[&str]) {
    let Some(tools) = make_cur() else { return };
    let export = write_export(&tools, name, arguments);
    let database = database().await;
    import_directory(&database, &export.join("directory")).await;
    load(&database, &export).await;
    compare(&database, &export).await;
    check_roll_ups(&database).await;
    check_findings(&database).await;
    let _ = std::fs::remove_dir_all(export.parent().unwrap());
}

/// The odd lines that every export has are each named, with money on them.
async fn check_findings(database: &Database) {
    let found: Vec<(String, String)> = sqlx::query_as("select code, subject from findings where amount is not null")
        .fetch_all(&database.pool)
        .await
        .unwrap();
    for (code, subject) in [
        ("unknown_usage_type", "APN1-Claude7Quill-thinking-glyphs"),
        ("unknown_unit", "10K tokens"),
        ("unknown_charge_type", "CommitmentTrueUp"),
        ("caught_by_one_rule", "z2w7nameless0product01kq4"),
    ] {
        assert!(
            found.contains(&(code.to_owned(), subject.to_owned())),
            "{code} {subject}"
        );
    }
}

/// What pages read equals what is stored.
async fn check_roll_ups(database: &Database) {
    for table in ["department_days", "department_months"] {
        let sql = format!(
            "select (select sum(cost) from {table}) = (select sum(cost) from charges), (select sum(lines)::bigint from {table}) = (select sum(lines)::bigint from charges)"
        );
        let (cost, lines): (bool, bool) = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .fetch_one(&database.pool)
            .await
            .unwrap();
        assert!(cost && lines, "{table}");
    }
    let models = "select (select sum(tokens)::bigint from person_model_months) = (select sum(tokens)::bigint from charges), \
                  (select sum(cost) from person_model_months) = (select sum(cost) from charges join bill_sections using (section_key) where charge_class = 'usage')";
    assert_eq!(
        sqlx::query_as::<_, (bool, bool)>(models)
            .fetch_one(&database.pool)
            .await
            .unwrap(),
        (true, true)
    );
}

#[tokio::test]
async fn two_hundred_thousand_lines_are_exact() {
    check("default", &[]).await;
}

#[tokio::test]
async fn physical_forms_do_not_matter() {
    let small = [
        "--rows",
        "6000",
        "--bedrock-share",
        "0.5",
        "--principals",
        "60",
        "--row-group-rows",
        "1700",
    ];
    for form in [
        &["--timestamps", "us", "--seed", "2"][..],
        &["--timestamps", "int96", "--seed", "3", "--physical", "plain"],
        &["--timestamps", "text", "--seed", "4", "--compression", "zstd"],
        &["--order", "time", "--seed", "5", "--files", "3", "--page-index"],
        &[
            "--order",
            "product",
            "--seed",
            "6",
            "--files",
            "2",
            "--chunks",
            "1",
            "--compression",
            "gzip",
        ],
        &["--layout", "create-new", "--manifest-style", "relative", "--seed", "7"],
        &["--payers", "3", "--invoices", "aws", "--seed", "8"],
        &["--no-tags-column", "--seed", "9"],
    ] {
        check("form", &[&small[..], form].concat()).await;
    }
}

#[tokio::test]
async fn months_around_the_first_day_of_caller_identity_are_exact() {
    for period in ["2026-03", "2026-04", "2025-12"] {
        check(
            "activation",
            &["--rows", "6000", "--bedrock-share", "0.5", "--period", period],
        )
        .await;
    }
}

#[tokio::test]
async fn without_callers_everything_is_unattributed_and_said_so() {
    let Some(tools) = make_cur() else { return };
    for (argument, code) in [
        ("--no-principal-column", "principal_column_missing"),
        ("--blank-principals", "principal_column_blank"),
    ] {
        let export = write_export(
            &tools,
            "callers",
            &["--rows", "5000", "--bedrock-share", "0.5", argument],
        );
        let database = database().await;
        import_directory(&database, &export.join("directory")).await;
        load(&database, &export).await;
        compare(&database, &export).await;
        let severity: String = sqlx::query_scalar("select severity from findings where code = $1")
            .bind(code)
            .fetch_one(&database.pool)
            .await
            .unwrap();
        assert_eq!(severity, "error", "{code}");
    }
}

/// The hand-written cases of attribution, each on every day of its month.
#[tokio::test]
async fn every_case_of_attribution_is_decided_as_by_hand() {
    let Some(tools) = make_cur() else { return };
    let export = write_export(&tools, "cases", &["--rows", "3000", "--principals", "20"]);
    let database = database().await;
    import_directory(&database, &export.join("directory")).await;
    let directory = anbun::store::directory::get_directory(&mut database.pool.acquire().await.unwrap())
        .await
        .unwrap();
    let mut reader = csv::Reader::from_path(export.join("expected/cases.csv")).unwrap();
    let headers = reader.headers().unwrap().clone();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert!(records.len() > 60);
    let cell = |record: &csv::StringRecord, name: &str| {
        record
            .get(
                headers
                    .iter()
                    .position(|h| h == name)
                    .unwrap_or_else(|| panic!("no column {name} in {headers:?}")),
            )
            .unwrap()
            .to_owned()
    };
    for record in &records {
        let since = cell(record, "since");
        let day: chrono::NaiveDate = if since.is_empty() {
            "2026-10-01".parse().unwrap()
        } else {
            since.parse().unwrap()
        };
        let tags: BTreeMap<String, String> = serde_json::from_str(&cell(record, "tags")).unwrap();
        let arn = cell(record, "arn");
        let result =
            anbun::domain::attribution::attribute(Some(arn.as_str()), &tags, &directory.on(day), &support::settings());
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let found = match (result.state, result.reason) {
            (State::Attributed, _) => {
                let rule = result.rule.map_or("", |rule| rule.as_str());
                format!(
                    "{}/{}/{} {rule}",
                    text(&result.department),
                    text(&result.person),
                    text(&result.project)
                )
            }
            (State::Quarantined, reason) => format!("!{}", reason.map_or("", |reason| reason.as_str())),
            (State::Unattributed, reason) => format!("?{}", reason.map_or("", |reason| reason.as_str())),
        };
        assert_eq!(found, cell(record, "result"), "{}", cell(record, "case"));
    }
}
