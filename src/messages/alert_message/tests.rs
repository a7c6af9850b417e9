use super::*;
use crate::domain::alert::facts::{Drivers, ModelDriver, ModelShare, PersonDriver};

fn facts() -> BudgetFacts {
    let day = |text: &str| -> NaiveDate { text.parse().unwrap_or_else(|e| panic!("{text}: {e}")) };
    BudgetFacts {
        budget: "RAG".to_owned(),
        scope: "project".to_owned(),
        code: "rag".to_owned(),
        owner_person_id: "p1".to_owned(),
        currency: "JPY".to_owned(),
        limit: Amount::from_whole(1_000_000),
        raised: Amount::ZERO,
        threshold: "80%".to_owned(),
        level: Amount::from_whole(800_000),
        is_forecast: false,
        spent: Amount::from_whole(852_300),
        percent: "85.2".to_owned(),
        spent_usd: Amount::parse("5682.005").unwrap_or_default(),
        rate: Some("150".to_owned()),
        counts: "after_discounts".to_owned(),
        with_allocated: false,
        with_tax: false,
        window_from: day("2026-10-01"),
        window_to: day("2026-11-01"),
        today: day("2026-10-20"),
        expected: Amount::from_whole(1_210_000),
        low: Amount::from_whole(1_100_000),
        high: Amount::from_whole(1_320_000),
        forecast_method: "levels".to_owned(),
        not_billed_yet: Amount::from_whole(61_000),
        runs_out_on: Some(day("2026-10-25")),
        data_as_of: "2026-10-20T03:10:00Z".parse().unwrap_or_default(),
        cause: "restatement".to_owned(),
        again: Some("budget_change".to_owned()),
        also: vec!["50%".to_owned()],
        drivers: Drivers {
            models: vec![
                ModelDriver {
                    model: "claude-opus-5".to_owned(),
                    route: "global".to_owned(),
                    people: 12,
                    cost: Amount::from_whole(4_000),
                },
                ModelDriver {
                    model: "claude-sonnet-5".to_owned(),
                    route: "regional".to_owned(),
                    people: 4,
                    cost: Amount::from_whole(900),
                },
            ],
            people: vec![PersonDriver {
                person_id: "p1".to_owned(),
                cost: Amount::from_whole(2_000),
            }],
            mix: vec![ModelShare {
                model: "claude-opus-5".to_owned(),
                share: 72,
                share_before: Some(55),
            }],
            quarantined: Amount::from_whole(40),
        },
    }
}

fn told(facts: BudgetFacts, language: Language, sees_people: bool) -> String {
    let people = BTreeMap::from([("p1".to_owned(), "佐藤 <!here>".to_owned())]);
    let subjects = BTreeMap::from([(("project".to_owned(), "rag".to_owned()), "社内検索".to_owned())]);
    let audience = Audience {
        language,
        sees_people,
        people: &people,
        subjects: &subjects,
        public_url: Some("https://anbun.example.com/"),
        has_buttons: true,
    };
    alert_message(7, &AlertFacts::Budget(Box::new(facts)), &audience)
        .to_json()
        .to_string()
}

#[test]
fn a_message_says_how_much_how_far_what_drives_it_and_what_to_do() {
    let said = told(facts(), Language::Japanese, true);
    for part in [
        "RAG (社内検索)\u{2060}:\u{2060} 予算の85.2%を使用 (¥852,300 / ¥1,000,000)",
        "31日中 20日目",
        "¥1,210,000 (予算の121.0%、幅 ¥1,100,000 〜 ¥1,320,000)",
        "10月25日",
        "¥61,000",
        "$5,682.01 (予算レート 150円)",
        "佐藤 &lt;!here&gt; ¥300,000",
        "claude-opus-5 (global) ¥600,000, 12人",
        "claude-opus-5 72% (前月 55%)",
        "5人未満",
        "AWSが過去の日の金額を修正しました",
        "再通知",
        "同時に超えたしきい値",
        "割引後・クレジット前, 共通費を除く, 税抜き",
        "2026-10-20 03",
        "request_raise",
        "https://anbun.example.com/budgets",
        "$40.00",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
}

#[test]
fn people_are_named_only_where_they_may_be() {
    let said = told(facts(), Language::English, false);
    assert!(!said.contains("佐藤") && !said.contains("p1"), "{said}");
    assert!(
        said.contains("12 people") && said.contains("fewer than 5 people"),
        "{said}"
    );
    // A budget of one person has that person's name.
    let own = BudgetFacts {
        budget: "Sato's".to_owned(),
        scope: "person".to_owned(),
        code: "p1".to_owned(),
        ..facts()
    };
    let said = told(own.clone(), Language::English, false);
    assert!(
        !said.contains("Sato") && !said.contains("p1") && said.contains("A person's budget"),
        "{said}"
    );
    assert!(told(own, Language::English, true).contains("Sato's"));
}

#[test]
fn a_forecast_says_what_is_foreseen() {
    let ahead = BudgetFacts {
        is_forecast: true,
        cause: "new_use".to_owned(),
        again: None,
        also: Vec::new(),
        ..facts()
    };
    let said = told(ahead, Language::English, false);
    assert!(
        said.contains("foreseen beyond its budget (¥1,210,000 of ¥1,000,000)"),
        "{said}"
    );
    assert!(!said.contains("No new use"), "{said}");
}
