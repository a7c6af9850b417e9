//! AWS Cost Explorer: one method is one request, and each request costs 0.01 USD.
//!
//! The SDK does not repeat anything here: a second try is a second request, and the caller counts them.

use aws_sdk_costexplorer::Client;
use aws_sdk_costexplorer::config::retry::RetryConfig;
use aws_sdk_costexplorer::operation::get_cost_and_usage::GetCostAndUsageOutput;
use aws_sdk_costexplorer::types::{
    DateInterval, Dimension, DimensionValues, Expression, Granularity, GroupDefinition, GroupDefinitionType,
};
use chrono::NaiveDate;

use super::aws::{AwsAccess, AwsFailure, Call};
use crate::domain::cost_explorer::{ExplorerTotal, TotalsKind};
use crate::domain::money::Amount;
use crate::domain::period::DayRange;

const METRIC: &str = "UnblendedCost";
/// More than this in one amount is a damaged answer.
const AMOUNT_LIMIT_WHOLE: i128 = 1_000_000_000_000;
/// Services whose names hold this word are Bedrock's: the two of its own and every Marketplace edition.
const SERVICE_WORD: &str = "Bedrock";

pub struct CostExplorer {
    client: Client,
}

/// One page of an answer.
#[derive(Debug, Clone, Default)]
pub struct Page<T> {
    pub values: Vec<T>,
    /// What to ask with for the next page; `None` on the last.
    pub next: Option<String>,
}

/// One page of totals, and which days it says are estimates.
#[derive(Debug, Clone, Default)]
pub struct TotalsPage {
    pub totals: Vec<ExplorerTotal>,
    pub days: Vec<(NaiveDate, bool)>,
    pub next: Option<String>,
}

/// A tag that can be a cost allocation tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllocationTag {
    /// With its prefix.
    pub key: String,
    pub is_active: bool,
    pub last_used: Option<NaiveDate>,
}

impl CostExplorer {
    pub async fn connect(access: &AwsAccess) -> Self {
        let shared = access.load("us-east-1").await;
        let config = aws_sdk_costexplorer::config::Builder::from(&shared).retry_config(RetryConfig::disabled());
        Self {
            client: Client::from_conf(config.build()),
        }
    }

    /// Names of Bedrock's services in a range of days.
    pub async fn fetch_services(&self, days: DayRange, page: Option<String>) -> Result<Page<String>, AwsFailure> {
        let call = call("ce:GetDimensionValues");
        let request = self.client.get_dimension_values();
        let request = request
            .time_period(interval(days, &call)?)
            .dimension(Dimension::Service);
        let request = request.search_string(SERVICE_WORD).set_next_page_token(page);
        let answer = request.send().await.map_err(|e| call.failure(&e))?;
        let values = answer
            .dimension_values()
            .iter()
            .filter_map(|value| value.value().map(str::to_owned));
        Ok(Page {
            values: values.filter(|name| name.contains(SERVICE_WORD)).collect(),
            next: answer.next_page_token().map(str::to_owned),
        })
    }

    /// Which of the given tags (with their prefixes) are known, active or in use.
    pub async fn fetch_tags(&self, keys: &[String], page: Option<String>) -> Result<Page<AllocationTag>, AwsFailure> {
        let call = call("ce:ListCostAllocationTags");
        let request = self
            .client
            .list_cost_allocation_tags()
            .set_tag_keys(Some(keys.to_vec()));
        let answer = request
            .set_next_token(page)
            .send()
            .await
            .map_err(|e| call.failure(&e))?;
        let tags = answer.cost_allocation_tags().iter().map(|tag| AllocationTag {
            key: tag.tag_key().to_owned(),
            is_active: tag.status().as_str() == "Active",
            last_used: tag.last_used_date().and_then(|text| text.get(..10)?.parse().ok()),
        });
        Ok(Page {
            values: tags.collect(),
            next: answer.next_token().map(str::to_owned),
        })
    }

    /// Daily totals of the services.
    pub async fn fetch_totals(
        &self,
        kind: &TotalsKind,
        services: &[String],
        days: DayRange,
        page: Option<String>,
    ) -> Result<TotalsPage, AwsFailure> {
        let call = call("ce:GetCostAndUsage");
        let one_of = |dimension: Dimension, values: &[String]| {
            let values = DimensionValues::builder()
                .key(dimension)
                .set_values(Some(values.to_vec()));
            Expression::builder().dimensions(values.build()).build()
        };
        let of_services = one_of(Dimension::Service, services);
        let usage_only = one_of(Dimension::RecordType, &["Usage".to_owned()]);
        let usage_of_services = Expression::builder().and(of_services.clone()).and(usage_only).build();
        let by = |kind: GroupDefinitionType, key: &str| GroupDefinition::builder().r#type(kind).key(key).build();
        let by_dimension = |key| by(GroupDefinitionType::Dimension, key);
        let (filter, groups) = match kind {
            TotalsKind::UsageType => (
                usage_of_services,
                vec![by_dimension("SERVICE"), by_dimension("USAGE_TYPE")],
            ),
            TotalsKind::RecordType => (of_services, vec![by_dimension("SERVICE"), by_dimension("RECORD_TYPE")]),
            TotalsKind::Tag(key) => (usage_of_services, vec![by(GroupDefinitionType::Tag, key)]),
        };
        let request = self
            .client
            .get_cost_and_usage()
            .granularity(Granularity::Daily)
            .metrics(METRIC);
        let request = request
            .time_period(interval(days, &call)?)
            .filter(filter)
            .set_group_by(Some(groups));
        let answer = request
            .set_next_page_token(page)
            .send()
            .await
            .map_err(|e| call.failure(&e))?;
        read_totals(kind, &answer).map_err(|what| call.cut_off(what))
    }
}

fn call(action: &'static str) -> Call {
    Call {
        action,
        object: format!("Cost Explorer, {}", action.trim_start_matches("ce:")),
        resource: "*".to_owned(),
    }
}

/// The end is exclusive there too.
fn interval(days: DayRange, call: &Call) -> Result<DateInterval, AwsFailure> {
    let interval = DateInterval::builder()
        .start(days.from.to_string())
        .end(days.to.to_string());
    interval.build().map_err(|e| call.cut_off(e.to_string()))
}

fn read_totals(kind: &TotalsKind, answer: &GetCostAndUsageOutput) -> Result<TotalsPage, String> {
    let mut page = TotalsPage {
        next: answer.next_page_token().map(str::to_owned),
        ..TotalsPage::default()
    };
    for result in answer.results_by_time() {
        let start = result.time_period().map_or("", DateInterval::start);
        let day = start.get(..10).and_then(|day| day.parse().ok());
        let day = day.ok_or_else(|| format!("'{start}' is no day"))?;
        page.days.push((day, result.estimated()));
        for group in result.groups() {
            let metric = group.metrics().and_then(|metrics| metrics.get(METRIC));
            let metric = metric.ok_or_else(|| format!("a group of {day} has no {METRIC}"))?;
            let text = metric.amount().unwrap_or("");
            let limit = Amount::from_whole(AMOUNT_LIMIT_WHOLE).units();
            let cost = Amount::parse(text).filter(|amount| amount.units().abs() < limit);
            let (service, label) = labels(kind, group.keys())?;
            page.totals.push(ExplorerTotal {
                day,
                service,
                label,
                currency: metric.unit().unwrap_or("").to_owned(),
                cost: cost.ok_or_else(|| format!("'{text}' on {day} is no amount of money"))?,
            });
        }
    }
    Ok(page)
}

/// What a group's keys mean.  A tag's key is `<tag key>$<value>`, with nothing after `$` for what is not tagged; a value may
/// hold `$` itself.
fn labels(kind: &TotalsKind, keys: &[String]) -> Result<(Option<String>, String), String> {
    match (kind, keys) {
        (TotalsKind::UsageType, [service, label]) => Ok((Some(service.clone()), label.clone())),
        (TotalsKind::RecordType, [service, label]) => Ok((Some(service.clone()), charge_type(label).to_owned())),
        (TotalsKind::Tag(tag), [key]) => {
            let value = key.strip_prefix(tag.as_str()).and_then(|rest| rest.strip_prefix('$'));
            value
                .map(|value| (None, value.to_owned()))
                .ok_or_else(|| format!("'{key}' is no value of the tag {tag}"))
        }
        (_, keys) => Err(format!("a group has {} keys", keys.len())),
    }
}

/// A record type as the bill spells it.
fn charge_type(record_type: &str) -> &str {
    match record_type {
        "Enterprise Discount Program Discount" => "EdpDiscount",
        "Private Rate Discount" => "PrivateRateDiscount",
        "Bundled Discount" => "BundledDiscount",
        "Solution Provider Program Discount" => "SppDiscount",
        "Savings Plan Covered Usage" => "SavingsPlanCoveredUsage",
        "Savings Plan Negation" => "SavingsPlanNegation",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_cut_at_its_own_key_and_untagged_stays_visible() {
        let kind = TotalsKind::Tag("iamPrincipal/department".to_owned());
        for (key, value) in [
            ("iamPrincipal/department$sales", Some("sales")),
            ("iamPrincipal/department$", Some("")),
            ("iamPrincipal/department$a$b", Some("a$b")),
            ("department$sales", None),
            ("iamPrincipal/departments$x", None),
        ] {
            let read = labels(&kind, &[key.to_owned()]);
            assert_eq!(read.ok().map(|(_, value)| value).as_deref(), value, "{key}");
        }
        assert!(labels(&TotalsKind::UsageType, &["one".to_owned()]).is_err());
    }
}
