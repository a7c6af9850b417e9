//! The Bank of Japan's time-series service: dollars against yen at 17:00 in Tokyo, for each business day.
//!
//! It is what banks paid each other, so no TTM, and is recorded as `interbank`.  The service answers with HTTP 200 even
//! where it refuses; whether it did stands in the answer.  Source: 時系列統計データ検索サイト API 利用マニュアル.

use std::time::Duration;

use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::period::BillingPeriod;

/// Foreign exchange rates, and in them US dollar/yen, spot at 17:00 JST.
const DATABASE: &str = "FM08";
const SERIES: &str = "FXERD04";

/// What is recorded as the source of each rate.
pub const SOURCE: &str = "Bank of Japan FXERD04, interbank at 17:00 in Tokyo";

/// A month of one series is two kilobytes; an answer of this size is something else.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

const TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Debug, thiserror::Error)]
#[error("the Bank of Japan's rates ({address}): {what}")]
pub struct BankFailure {
    address: String,
    what: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Answer {
    status: u16,
    #[serde(default)]
    message: String,
    #[serde(default)]
    nextposition: Option<u64>,
    #[serde(default)]
    resultset: Vec<Series>,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Series {
    series_code: String,
    values: Values,
}

#[derive(Deserialize)]
#[serde(rename_all = "UPPERCASE")]
struct Values {
    survey_dates: Vec<u32>,
    // As they are written: a rate is never a binary fraction.
    values: Vec<Option<Box<RawValue>>>,
}

/// The published rates of the months from one to another, both included; a day without trade has none.
pub async fn fetch_rates(
    endpoint: &str,
    from: BillingPeriod,
    to: BillingPeriod,
) -> Result<Vec<(NaiveDate, Decimal)>, BankFailure> {
    let month = |period: BillingPeriod| period.first_day().format("%Y%m").to_string();
    let address = format!(
        "{}/getDataCode?format=json&lang=en&db={DATABASE}&code={SERIES}&startDate={}&endDate={}",
        endpoint.trim_end_matches('/'),
        month(from),
        month(to)
    );
    let body = download(&address).await.map_err(|what| BankFailure {
        address: address.clone(),
        what,
    })?;
    read(&body, from, to).map_err(|what| BankFailure { address, what })
}

async fn download(address: &str) -> Result<Vec<u8>, String> {
    let client = reqwest::Client::builder()
        .timeout(TIMEOUT)
        .user_agent(concat!("anbun/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(chain)?;
    let mut response = client.get(address).send().await.map_err(chain)?;
    if !response.status().is_success() {
        return Err(format!("it answered {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(chain)? {
        if body.len() + chunk.len() > ANSWER_BYTES_MAX {
            return Err(format!("its answer is larger than {ANSWER_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// The error with its causes; the address is said once, by the failure.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

fn read(body: &[u8], from: BillingPeriod, to: BillingPeriod) -> Result<Vec<(NaiveDate, Decimal)>, String> {
    let answer: Answer = serde_json::from_slice(body).map_err(|e| format!("its answer cannot be read: {e}"))?;
    if answer.status != 200 {
        return Err(format!("it refused ({}): {}", answer.status, answer.message));
    }
    if answer.nextposition.is_some_and(|position| position > 0) {
        return Err("its answer is cut off; ask for fewer months".to_owned());
    }
    let series = answer.resultset.iter().find(|series| series.series_code == SERIES);
    let values = &series
        .ok_or_else(|| format!("its answer has no series {SERIES}"))?
        .values;
    if values.survey_dates.len() != values.values.len() {
        let (dates, rates) = (values.survey_dates.len(), values.values.len());
        return Err(format!("its answer has {dates} days and {rates} rates"));
    }
    let mut rates = Vec::new();
    for (day, value) in values.survey_dates.iter().zip(&values.values) {
        let Some(value) = value else { continue };
        let date = NaiveDate::parse_from_str(&day.to_string(), "%Y%m%d").map_err(|_| format!("'{day}' is no day"))?;
        if date < from.first_day() || date >= to.days().to {
            return Err(format!("it names {date}, which was not asked for"));
        }
        let text = value.get().trim_matches('"');
        let rate = Decimal::from_str_exact(text).map_err(|_| format!("'{text}' of {date} is no rate"))?;
        rates.push((date, rate));
    }
    rates.sort_by_key(|(date, _)| *date);
    match rates.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        Some(twice) => Err(format!("it names {} twice", twice[0].0)),
        None => Ok(rates),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn october(body: &str) -> Result<Vec<(NaiveDate, Decimal)>, String> {
        let month: BillingPeriod = "2026-10".parse().unwrap_or_else(|e| panic!("{e}"));
        read(body.as_bytes(), month, month)
    }

    fn answer(dates: &str, values: &str) -> String {
        format!(
            r#"{{"STATUS":200,"MESSAGEID":"M181000I","MESSAGE":"Successfully completed","NEXTPOSITION":null,"RESULTSET":
            [{{"SERIES_CODE":"FXERD04","UNIT":"Yen per US dollar","VALUES":{{"SURVEY_DATES":[{dates}],"VALUES":[{values}]}}}}]}}"#
        )
    }

    #[test]
    fn rates_are_read_digit_by_digit_and_holidays_have_none() {
        let read = october(&answer(
            "20261012,20261013,20261001",
            "null,152.3700000000000001,\"151.10\"",
        ));
        let shown: Vec<String> = read
            .unwrap_or_else(|e| panic!("{e}"))
            .iter()
            .map(|(date, rate)| format!("{date} {rate}"))
            .collect();
        assert_eq!(shown, ["2026-10-01 151.10", "2026-10-13 152.3700000000000001"]);
    }

    #[test]
    fn an_answer_that_is_no_series_says_why() {
        let refused = r#"{"STATUS":400,"MESSAGEID":"M181005E","MESSAGE":"Invalid code.","DATE":"2026-11-02"}"#;
        let cases = [
            (refused.to_owned(), "it refused (400): Invalid code."),
            ("<html>".to_owned(), "cannot be read"),
            (r#"{"STATUS":200,"RESULTSET":[]}"#.to_owned(), "has no series FXERD04"),
            (answer("20261001", ""), "1 days and 0 rates"),
            (answer("20261301", "150"), "is no day"),
            (answer("20261101", "150"), "which was not asked for"),
            (answer("20261001", "\"n/a\""), "'n/a' of 2026-10-01 is no rate"),
            (answer("20261001,20261001", "150,151"), "2026-10-01 twice"),
            (answer("20261001", "150").replace("null", "251"), "cut off"),
        ];
        for (body, expected) in cases {
            let told = october(&body).err().unwrap_or_default();
            assert!(told.contains(expected), "{told}: {body}");
        }
    }
}
