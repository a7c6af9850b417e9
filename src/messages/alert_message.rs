//! An alert as a person reads it: how much, how far, who and what drives it, and what to do, in ten seconds.
//!
//! Names of people only where the channel is allowed them.  Elsewhere a driver is a model, a route and a head count, that only from
//! five people on; never a role, a session or an address, which can hold a name.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::block_kit::{Block, Button, Mrkdwn, SlackMessage};
use crate::domain::alert::facts::{AlertFacts, AnomalyFacts, BudgetFacts, DigestFacts, Drivers, FirstSeenFacts};
use crate::domain::alert::{Cause, Rearmed};
use crate::domain::language::Language;
use crate::domain::money::{Amount, Ratio};
use crate::domain::text::grouped;

/// Fewer people than this could be told apart.
pub const HEADS_MIN: i64 = 5;
const DRIVERS_SHOWN: usize = 3;
const CODES_SHOWN: usize = 10;

/// To whom something is told, and what is needed to.
#[derive(Debug, Clone)]
pub struct Audience<'a> {
    pub language: Language,
    /// Whether people may be named.
    pub sees_people: bool,
    /// Names by person id.
    pub people: &'a BTreeMap<String, String>,
    /// Names of what alerts are about, by scope and code.
    pub subjects: &'a BTreeMap<(String, String), String>,
    /// Where pages are.
    pub public_url: Option<&'a str>,
    /// Whether presses of buttons arrive.
    pub has_buttons: bool,
}

/// The message of one alert.
pub fn alert_message(alert_id: i64, facts: &AlertFacts, audience: &Audience<'_>) -> SlackMessage {
    match facts {
        AlertFacts::Budget(facts) => budget_message(alert_id, facts, audience),
        AlertFacts::Anomaly(facts) => anomaly_message(alert_id, facts, audience),
        AlertFacts::FirstSeen(facts) => first_seen_message(facts, audience),
        AlertFacts::Digest(facts) => month_message(facts, audience),
    }
}

/// One line for each of many alerts: more of them are no message each.
pub fn digest_message(alerts: &[(i64, AlertFacts)], audience: &Audience<'_>) -> SlackMessage {
    let language = audience.language;
    let title = match language {
        Language::Japanese => format!("お知らせ {}件", alerts.len()),
        Language::English => format!("{} alerts", alerts.len()),
    };
    let line = |facts: &AlertFacts| Mrkdwn::words("• ").and(Mrkdwn::plain(&headline(facts, audience)));
    let mut blocks = vec![Block::Header(title.clone())];
    for some in alerts.chunks(15) {
        blocks.push(Block::Section(Mrkdwn::lines(some.iter().map(|(_, facts)| line(facts)))));
    }
    blocks.extend(link(audience, "/alerts"));
    SlackMessage { text: title, blocks }
}

/// What happened, in one line.
pub fn headline(facts: &AlertFacts, audience: &Audience<'_>) -> String {
    let language = audience.language;
    match facts {
        AlertFacts::Budget(facts) => {
            let name = budget_name(facts, audience);
            let (spent, limit) = (money(facts.spent, &facts.currency), money(facts.limit, &facts.currency));
            match (language, facts.is_forecast) {
                (Language::Japanese, false) => format!("{name}: 予算の{}%を使用 ({spent} / {limit})", facts.percent),
                (Language::English, false) => {
                    format!("{name}: {}% of the budget is used ({spent} of {limit})", facts.percent)
                }
                (Language::Japanese, true) => {
                    format!(
                        "{name}: 予算超過の見込み ({} / {limit})",
                        money(facts.expected, &facts.currency)
                    )
                }
                (Language::English, true) => {
                    format!(
                        "{name}: foreseen beyond its budget ({} of {limit})",
                        money(facts.expected, &facts.currency)
                    )
                }
            }
        }
        AlertFacts::Anomaly(facts) => {
            let name = subject_name(&facts.scope, &facts.code, audience);
            let (cost, usual) = (money(facts.cost, "USD"), money(facts.usual, "USD"));
            match language {
                Language::Japanese => format!(
                    "{name}: {}の利用が通常より多い ({cost}、通常 {usual})",
                    date(facts.day, language)
                ),
                Language::English => format!(
                    "{name}: unusual use on {} ({cost}, usually {usual})",
                    date(facts.day, language)
                ),
            }
        }
        AlertFacts::Digest(facts) => {
            let name = subject_name("department", &facts.department, audience);
            let total = money(facts.total, "JPY");
            match (language, facts.is_complete) {
                (Language::Japanese, true) => format!("{name}: {} {total}", facts.month.format("%Y年%-m月分")),
                (Language::Japanese, false) => {
                    format!("{name}: {} {total} (未確定)", facts.month.format("%Y年%-m月分"))
                }
                (Language::English, true) => format!("{name}: {} came to {total}", facts.month.format("%B %Y")),
                (Language::English, false) => {
                    format!("{name}: {} stands at {total}, incomplete", facts.month.format("%B %Y"))
                }
            }
        }
        AlertFacts::FirstSeen(facts) => {
            let (count, what) = (facts.codes.len(), kind_of_thing(&facts.kind, language));
            match language {
                Language::Japanese => format!("初めて現れた{what}: {count}件"),
                Language::English => format!("{count} new: {what}"),
            }
        }
    }
}

fn budget_message(alert_id: i64, facts: &BudgetFacts, audience: &Audience<'_>) -> SlackMessage {
    let language = audience.language;
    let own = |amount| money(amount, &facts.currency);
    let title = headline(&AlertFacts::Budget(Box::new(facts.clone())), audience);
    let percent_foreseen = crate::domain::budget_status::percent_of(facts.expected, facts.limit);
    let mut blocks = vec![Block::Header(title.clone())];
    let days = (facts.window_to - facts.window_from).num_days();
    let day = ((facts.today - facts.window_from).num_days() + 1).min(days);
    blocks.push(Block::Section(Mrkdwn::lines([
        Mrkdwn::bold(&format!("{} / {}", own(facts.spent), own(facts.limit))).and(Mrkdwn::plain(&match language {
            Language::Japanese => format!(" ({}%)、{days}日中 {day}日目", facts.percent),
            Language::English => format!(" ({}%), day {day} of {days}", facts.percent),
        })),
        Mrkdwn::plain(&match language {
            Language::Japanese => format!(
                "期末の見込み {} (予算の{percent_foreseen}%、幅 {} 〜 {})",
                own(facts.expected),
                own(facts.low),
                own(facts.high)
            ),
            Language::English => format!(
                "Foreseen for the end: {} ({percent_foreseen}% of the budget, between {} and {})",
                own(facts.expected),
                own(facts.low),
                own(facts.high)
            ),
        }),
    ])));
    if let Some(note) = cause_note(facts, language) {
        blocks.push(Block::Section(note));
    }
    let field = |title: &'static str, value: String| {
        Mrkdwn::lines([Mrkdwn::words(&format!("*{title}*")), Mrkdwn::plain(&value)])
    };
    let mut fields = Vec::new();
    if let Some(day) = facts.runs_out_on {
        fields.push(field(
            language.choose("予算を使い切る日", "Runs out on"),
            date(day, language),
        ));
    }
    fields.push(field(
        language.choose("未請求の利用 (推定)", "Used, not billed yet (estimate)"),
        own(facts.not_billed_yet),
    ));
    fields.push(field(
        language.choose("ドル", "In dollars"),
        in_dollars(facts, language),
    ));
    if facts.drivers.quarantined.units() > 0 {
        fields.push(field(
            language.choose(
                "帰属未定のうち、この予算らしい利用",
                "Undecided use that is likely this budget's",
            ),
            money(facts.drivers.quarantined, "USD"),
        ));
    }
    blocks.push(Block::Fields(fields));
    blocks.push(Block::Section(drivers(&facts.drivers, facts.rate.as_deref(), audience)));
    blocks.push(Block::Section(mix(&facts.drivers, language)));
    blocks.push(Block::Context(vec![
        Mrkdwn::plain(&basis(facts, language)),
        Mrkdwn::plain(&as_of(facts.data_as_of, language)),
    ]));
    blocks.push(Block::Actions(buttons(alert_id, facts, audience)));
    blocks.extend(link(audience, "/budgets").filter(|_| !audience.has_buttons));
    SlackMessage { text: title, blocks }
}

fn buttons(alert_id: i64, facts: &BudgetFacts, audience: &Audience<'_>) -> Vec<Button> {
    if !audience.has_buttons {
        return Vec::new();
    }
    let language = audience.language;
    let button = |action: &str, japanese, english| Button {
        action_id: action.to_owned(),
        text: language.choose(japanese, english).to_owned(),
        value: alert_id.to_string(),
        url: None,
        is_primary: action == "acknowledge",
    };
    let mut buttons = vec![
        button("acknowledge", "確認しました", "Acknowledge"),
        button("snooze_day", "1日止める", "Snooze 1 day"),
        button("snooze_week", "1週間止める", "Snooze 1 week"),
        button("snooze_window", "期末まで止める", "Snooze to the end"),
        button("request_raise", "増額を申請", "Request a raise"),
    ];
    if !facts.owner_person_id.is_empty() {
        buttons.push(button("ask_manager", "上長に相談", "Ask the manager"));
    }
    if let Some(url) = audience.public_url {
        buttons.push(Button {
            url: Some(format!("{}/budgets", url.trim_end_matches('/'))),
            ..button("open", "詳細", "Details")
        });
    }
    buttons
}

fn cause_note(facts: &BudgetFacts, language: Language) -> Option<Mrkdwn> {
    let mut notes = Vec::new();
    let not_new = match facts.cause()? {
        Cause::NewUse | Cause::Past => None,
        Cause::Reattribution => Some(language.choose(
            "新しい利用ではありません: 組織情報が変わり、既存の利用がこの予算に移りました。",
            "No new use: the directory changed, and use that was there before counts here now.",
        )),
        Cause::Rule => Some(language.choose(
            "新しい利用ではありません: 配賦ルールが変わりました。",
            "No new use: the rules for shared cost changed.",
        )),
        Cause::Restatement => Some(language.choose(
            "新しい利用ではありません: AWSが過去の日の金額を修正しました。",
            "No new use: AWS changed the cost of earlier days.",
        )),
        Cause::BudgetChange => Some(language.choose(
            "新しい利用ではありません: 予算が新しく設定されたか、変更されました。",
            "No new use: the budget is new or was changed.",
        )),
    };
    notes.extend(not_new.map(Mrkdwn::words));
    let again = facts.again().map(|again| match again {
        Rearmed::Restatement => language.choose(
            "再通知: 金額の修正でいったん下回り、再び超えました。",
            "Again: a correction had taken the amount back under it.",
        ),
        Rearmed::BudgetChange => language.choose(
            "再通知: 予算の変更でいったん下回り、再び超えました。",
            "Again: a change of the budget had taken the amount back under it.",
        ),
    });
    notes.extend(again.map(Mrkdwn::words));
    if !facts.also.is_empty() {
        let also = facts.also.join(", ");
        notes.push(Mrkdwn::plain(&match language {
            Language::Japanese => format!("同時に超えたしきい値: {also}"),
            Language::English => format!("Crossed at the same time: {also}"),
        }));
    }
    (!notes.is_empty()).then(|| Mrkdwn::lines(notes))
}

/// In yen at the budget's rate, or in dollars where there is none.
fn drivers(drivers: &Drivers, rate: Option<&str>, audience: &Audience<'_>) -> Mrkdwn {
    let language = audience.language;
    let rate = rate.and_then(|rate| rate.parse().ok()).and_then(Ratio::of_rate);
    let cost = |usd: Amount| match rate.and_then(|rate| usd.to_whole(rate)) {
        Some(yen) => money(Amount::from_whole(yen), "JPY"),
        None => money(usd, "USD"),
    };
    let mut lines = Vec::new();
    if audience.sees_people && !drivers.people.is_empty() {
        lines.push(Mrkdwn::words(language.choose("*利用の多い人*", "*Most use by*")));
        for driver in drivers.people.iter().take(DRIVERS_SHOWN) {
            let name = audience.people.get(&driver.person_id).unwrap_or(&driver.person_id);
            lines.push(Mrkdwn::plain(&format!("・{name} {}", cost(driver.cost))));
        }
    }
    if !drivers.models.is_empty() {
        lines.push(Mrkdwn::words(language.choose("*主な要因*", "*Driven by*")));
    }
    for driver in drivers.models.iter().take(DRIVERS_SHOWN) {
        let heads = match (driver.people >= HEADS_MIN, language) {
            (false, Language::Japanese) => format!("{HEADS_MIN}人未満"),
            (false, Language::English) => format!("fewer than {HEADS_MIN} people"),
            (true, Language::Japanese) => format!("{}人", driver.people),
            (true, Language::English) => format!("{} people", driver.people),
        };
        let text = format!("・{} ({}) {}, {heads}", driver.model, driver.route, cost(driver.cost));
        lines.push(Mrkdwn::plain(&text));
    }
    Mrkdwn::lines(lines)
}

fn mix(drivers: &Drivers, language: Language) -> Mrkdwn {
    let shares: Vec<String> = drivers
        .mix
        .iter()
        .take(5)
        .map(|of| match (of.share_before, language) {
            (Some(before), Language::Japanese) => format!("{} {}% (前月 {before}%)", of.model, of.share),
            (Some(before), Language::English) => format!("{} {}% (last month {before}%)", of.model, of.share),
            (None, Language::Japanese) => format!("{} {}% (前月なし)", of.model, of.share),
            (None, Language::English) => format!("{} {}% (none last month)", of.model, of.share),
        })
        .collect();
    if shares.is_empty() {
        return Mrkdwn::default();
    }
    Mrkdwn::words(language.choose("*モデル構成* ", "*Models* ")).and(Mrkdwn::plain(&shares.join(", ")))
}

/// What counts, and at which rate.
fn basis(facts: &BudgetFacts, language: Language) -> String {
    let counts = match facts.counts.as_str() {
        "usage" => language.choose("割引前の利用額", "use before discounts"),
        "after_credits" => language.choose("割引・クレジット後", "after discounts and credits"),
        _ => language.choose("割引後・クレジット前", "after discounts, before credits"),
    };
    let shared = match facts.with_allocated {
        true => language.choose("共通費込み", "with shared cost"),
        false => language.choose("共通費を除く", "without shared cost"),
    };
    let tax = match facts.with_tax {
        true => language.choose("税込み", "with tax"),
        false => language.choose("税抜き", "without tax"),
    };
    format!("{}{counts}, {shared}, {tax}", language.choose("対象: ", "Counts: "))
}

fn in_dollars(facts: &BudgetFacts, language: Language) -> String {
    let dollars = money(facts.spent_usd, "USD");
    match (&facts.rate, language) {
        (None, _) => dollars,
        (Some(rate), Language::Japanese) => format!("{dollars} (予算レート {rate}円)"),
        (Some(rate), Language::English) => format!("{dollars} (at the budget's {rate} yen)"),
    }
}

fn anomaly_message(alert_id: i64, facts: &AnomalyFacts, audience: &Audience<'_>) -> SlackMessage {
    let language = audience.language;
    let title = headline(&AlertFacts::Anomaly(facts.clone()), audience);
    let because = match facts.because.as_str() {
        "model" => language.choose("要因: モデルの変化", "Because of the model"),
        "route" => language.choose("要因: 経路の変化", "Because of the route"),
        _ => language.choose("要因: 利用量の増加", "Because of more use"),
    };
    let mut blocks = vec![
        Block::Header(title.clone()),
        Block::Section(Mrkdwn::words(because).and(Mrkdwn::plain(&format!(": {}", facts.detail)))),
        Block::Context(vec![Mrkdwn::plain(&as_of(facts.data_as_of, language))]),
    ];
    if audience.has_buttons {
        blocks.push(Block::Actions(vec![Button {
            action_id: "acknowledge".to_owned(),
            text: language.choose("確認しました", "Acknowledge").to_owned(),
            value: alert_id.to_string(),
            url: None,
            is_primary: true,
        }]));
    }
    blocks.extend(link(audience, "/alerts"));
    SlackMessage { text: title, blocks }
}

fn month_message(facts: &DigestFacts, audience: &Audience<'_>) -> SlackMessage {
    let language = audience.language;
    let title = headline(&AlertFacts::Digest(facts.clone()), audience);
    let mut lines = Vec::new();
    if let Some(before) = facts.before {
        let (change, before) = (money(facts.total - before, "JPY"), money(before, "JPY"));
        lines.push(Mrkdwn::plain(&match language {
            Language::Japanese => format!("前月 {before}、差 {change}"),
            Language::English => format!("The month before: {before}, a change of {change}"),
        }));
    }
    if !facts.is_complete {
        lines.push(Mrkdwn::words(language.choose(
            "まだ締めていないため、金額は変わることがあります。",
            "The month is not closed, and the amount can still change.",
        )));
    }
    let mut blocks = vec![
        Block::Header(title.clone()),
        Block::Section(Mrkdwn::lines(lines)),
        Block::Section(drivers(&facts.drivers, None, audience)),
        Block::Section(mix(&facts.drivers, language)),
        Block::Context(vec![Mrkdwn::plain(&as_of(facts.data_as_of, language))]),
    ];
    blocks.extend(link(audience, "/chargeback"));
    SlackMessage { text: title, blocks }
}

fn first_seen_message(facts: &FirstSeenFacts, audience: &Audience<'_>) -> SlackMessage {
    let title = headline(&AlertFacts::FirstSeen(facts.clone()), audience);
    // A principal's name can hold a person's.
    let is_told = facts.kind != "principal" || audience.sees_people;
    let codes = facts.codes.iter().take(CODES_SHOWN).filter(|_| is_told);
    let lines = codes.map(|code| Mrkdwn::plain(&format!("・{code}")));
    let mut blocks = vec![
        Block::Header(title.clone()),
        Block::Section(Mrkdwn::lines(lines)),
        Block::Context(vec![Mrkdwn::plain(&as_of(facts.data_as_of, audience.language))]),
    ];
    blocks.extend(link(audience, "/alerts"));
    SlackMessage { text: title, blocks }
}

fn link(audience: &Audience<'_>, path: &str) -> Option<Block> {
    let url = format!("{}{path}", audience.public_url?.trim_end_matches('/'));
    let words = audience.language.choose("詳細", "Details");
    // The address is the settings', and holds no sign that means something to Slack.
    let is_safe = !url.contains(['<', '>', '|', ' ']);
    is_safe.then(|| Block::Context(vec![Mrkdwn::words(&format!("<{url}|{words}>"))]))
}

/// The budget of a single person is named only where people may be.
fn budget_name(facts: &BudgetFacts, audience: &Audience<'_>) -> String {
    if facts.scope == "person" && !audience.sees_people {
        return audience.language.choose("個人の予算", "A person's budget").to_owned();
    }
    let subject = match facts.scope.as_str() {
        "company" => return facts.budget.clone(),
        _ => subject_name(&facts.scope, &facts.code, audience),
    };
    if subject == facts.budget {
        subject
    } else {
        format!("{} ({subject})", facts.budget)
    }
}

fn subject_name(scope: &str, code: &str, audience: &Audience<'_>) -> String {
    if scope == "person" {
        if !audience.sees_people {
            return audience.language.choose("ある利用者", "One person").to_owned();
        }
        return audience.people.get(code).cloned().unwrap_or_else(|| code.to_owned());
    }
    let known = audience.subjects.get(&(scope.to_owned(), code.to_owned()));
    known
        .filter(|name| !name.is_empty())
        .cloned()
        .unwrap_or_else(|| code.to_owned())
}

const fn kind_of_thing(kind: &str, language: Language) -> &'static str {
    match kind.as_bytes() {
        b"model" => language.choose("モデル", "models"),
        b"region" => language.choose("リージョン", "regions"),
        b"product" => language.choose("製品コード", "product codes"),
        _ => language.choose("プリンシパル", "principals"),
    }
}

fn as_of(at: DateTime<Utc>, language: Language) -> String {
    let at = at.format("%Y-%m-%d %H:%M UTC");
    match language {
        Language::Japanese => format!("{at} 時点のデータ"),
        Language::English => format!("data as of {at}"),
    }
}

fn date(day: NaiveDate, language: Language) -> String {
    match language {
        Language::Japanese => day.format("%-m月%-d日").to_string(),
        Language::English => day.format("%-d %B").to_string(),
    }
}

/// Yen whole, dollars to the cent.
fn money(amount: Amount, currency: &str) -> String {
    let decimals = if currency == "JPY" { 0 } else { 2 };
    let text = amount.to_decimal().map_or_else(
        || amount.to_string(),
        |value| {
            format!(
                "{:.decimals$}",
                value.round_dp_with_strategy(
                    u32::try_from(decimals).unwrap_or(2),
                    rust_decimal::RoundingStrategy::MidpointAwayFromZero,
                )
            )
        },
    );
    let (sign, size) = text.strip_prefix('-').map_or(("", text.as_str()), |size| ("-", size));
    let mark = if currency == "JPY" { "¥" } else { "$" };
    format!("{sign}{mark}{}", grouped(size))
}

#[cfg(test)]
mod tests;
