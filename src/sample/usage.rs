//! The line items of a month: what people and agents used, what else runs in the accounts, tax and discounts.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Days, NaiveDate, TimeDelta, Utc, Weekday};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::SampleSize;
use super::company::{ACCOUNTS, Company, Employee};
use crate::domain::period::BillingPeriod;

/// A line item in the columns that the sample writes.  Costs are integers of 10^-10 USD.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub start: DateTime<Utc>,
    pub account: &'static str,
    pub principal: Option<String>,
    pub product_code: &'static str,
    pub product_family: Option<&'static str>,
    pub product: Vec<(&'static str, String)>,
    pub tags: Vec<(&'static str, String)>,
    pub charge_type: &'static str,
    pub usage_type: String,
    pub operation: &'static str,
    pub unit: Option<&'static str>,
    pub quantity: f64,
    pub cost: i64,
    pub net_cost: i64,
    pub resource: Option<String>,
    pub region: &'static str,
    pub seller: &'static str,
    pub tax_type: Option<&'static str>,
    pub description: &'static str,
    pub is_bedrock: bool,
}

/// How a model stands on the bill, and its prices per token in 10^-10 USD: input, output, cache read, cache write.
struct Model {
    title: &'static str,
    product_code: &'static str,
    /// Usage types in the order of the prices.
    usage_types: [&'static str; 4],
    unit: &'static str,
    unit_tokens: i64,
    prices: [i64; 4],
}

const OPUS_46: Model = Model {
    title: "Claude Opus 4.6",
    product_code: "AmazonBedrock",
    usage_types: [
        "APN1-Claude4.6Opus-input-tokens",
        "APN1-Claude4.6Opus-output-tokens",
        "APN1-Claude4.6Opus-cache-read-input-token-count",
        "APN1-Claude4.6Opus-cache-write-input-token-count",
    ],
    unit: "1K tokens",
    unit_tokens: 1_000,
    prices: [55_000, 275_000, 5_500, 68_750],
};
const SONNET_46: Model = Model {
    title: "Claude Sonnet 4.6",
    product_code: "AmazonBedrockService",
    usage_types: [
        "APN1-Claude4.6Sonnet-input-tokens-cross-region-global",
        "APN1-Claude4.6Sonnet-output-tokens-cross-region-global",
        "APN1-Claude4.6Sonnet-cache-read-input-token-count-cross-region-global",
        "APN1-Claude4.6Sonnet-cache-write-input-token-count-cross-region-global",
    ],
    unit: "1K tokens",
    unit_tokens: 1_000,
    prices: [30_000, 150_000, 3_000, 37_500],
};
const HAIKU_45: Model = Model {
    title: "Claude Haiku 4.5",
    product_code: "c8x2mlqv7d1kzr0wn5thyga3e",
    usage_types: [
        "APN1-MP:APN1_InputTokenCount-Units",
        "APN1-MP:APN1_OutputTokenCount-Units",
        "APN1-MP:APN1_CacheReadInputTokenCount-Units",
        "APN1-MP:APN1_CacheWriteInputTokenCount-Units",
    ],
    unit: "Units",
    unit_tokens: 1_000_000,
    prices: [11_000, 55_000, 1_100, 13_750],
};
const OPUS_55: Model = Model {
    title: "Claude Opus 5.5",
    product_code: "AmazonBedrockService",
    usage_types: [
        "APN1-anthropic.claude-opus-5-5-mantle-input-tokens-standard",
        "APN1-anthropic.claude-opus-5-5-mantle-output-tokens-standard",
        "APN1-anthropic.claude-opus-5-5-mantle-cache-read-tokens-standard",
        "APN1-anthropic.claude-opus-5-5-mantle-cache-write-tokens-standard",
    ],
    unit: "1K tokens",
    unit_tokens: 1_000,
    prices: [44_000, 220_000, 4_400, 55_000],
};

const KINDS: [&str; 4] = [
    "Input tokens",
    "Output tokens",
    "Prompt cache read input tokens",
    "Cache write tokens",
];
/// Tokens of an hour of ordinary work, in the order of the kinds: with an agent most of the bill is cache.
const HOURLY_TOKENS: [i64; 4] = [60_000, 22_000, 900_000, 70_000];
/// Months from which AWS fills the product metadata of models.
const METADATA_SINCE: (i32, u32) = (2026, 7);
const JAPAN: &str = "Amazon Web Services Japan G.K.";
const INC: &str = "Amazon Web Services, Inc.";
const DISCOUNT_PERCENT: i64 = 7;
const TAX_PERCENT: i64 = 10;

/// Lines of other services per account and day.
const OTHER_SERVICES: [(&str, &str, &str, &str, i64); 9] = [
    (
        "AmazonEC2",
        "Amazon Elastic Compute Cloud",
        "Compute Instance",
        "APN1-BoxUsage:m6i.large",
        1_240_000_000,
    ),
    (
        "AmazonS3",
        "Amazon Simple Storage Service",
        "Storage",
        "APN1-TimedStorage-ByteHrs",
        25_000_000,
    ),
    (
        "AWSLambda",
        "AWS Lambda",
        "Serverless",
        "APN1-Lambda-GB-Second",
        1_600_000,
    ),
    (
        "AmazonRDS",
        "Amazon Relational Database Service",
        "Database Instance",
        "APN1-InstanceUsage:db.r6g.large",
        3_130_000_000,
    ),
    (
        "AmazonCloudWatch",
        "AmazonCloudWatch",
        "Metric",
        "APN1-CW:MetricMonitorUsage",
        30_000_000,
    ),
    (
        "AmazonDynamoDB",
        "Amazon DynamoDB",
        "Database Storage",
        "APN1-ReadRequestUnits",
        2_850_000,
    ),
    (
        "AWSELB",
        "Elastic Load Balancing",
        "Load Balancer-Application",
        "APN1-LoadBalancerUsage",
        243_000_000,
    ),
    (
        "awskms",
        "AWS Key Management Service",
        "Encryption Key",
        "APN1-KMS-Requests",
        300_000,
    ),
    (
        "AmazonECS",
        "Amazon Elastic Container Service",
        "Compute",
        "APN1-Fargate-vCPU-Hours:perCPU",
        505_600_000,
    ),
];

/// All lines of a month.
pub(super) fn month(company: &Company, size: SampleSize, number: usize, period: BillingPeriod) -> Vec<Line> {
    let mut random = StdRng::seed_from_u64(size.seed ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut lines = Vec::new();
    let second_half = number >= size.months as usize / 2;
    for day in period.days().iter() {
        let is_weekend = matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
        for (at, employee) in company.employees.iter().enumerate() {
            employee_day(employee, at == 0, second_half, day, is_weekend, &mut random, &mut lines);
        }
        agents_day(day, &mut random, &mut lines);
        other_services_day(day, &mut random, &mut lines);
    }
    lines.extend(tax_and_discounts(period, &lines, number));
    lines
}

/// Which models somebody uses.  The first employee is the heavy user: Opus for everything, until the habit changes.
fn models_of(employee: &Employee, is_heavy: bool, second_half: bool) -> [(&'static Model, u32); 2] {
    let opus = if second_half { &OPUS_55 } else { &OPUS_46 };
    match (is_heavy, second_half) {
        (true, false) => [(&OPUS_46, 95), (&SONNET_46, 5)],
        (true, true) => [(&OPUS_55, 20), (&SONNET_46, 80)],
        _ if employee.activity > 150 => [(opus, 60), (&SONNET_46, 40)],
        _ if employee.activity > 90 => [(&SONNET_46, 70), (opus, 30)],
        _ => [(&SONNET_46, 55), (&HAIKU_45, 45)],
    }
}

fn employee_day(
    employee: &Employee,
    is_heavy: bool,
    second_half: bool,
    day: NaiveDate,
    is_weekend: bool,
    random: &mut StdRng,
    lines: &mut Vec<Line>,
) {
    // A role outlives its person by some days: the calls of a leaver's agent are what quarantine is for.
    if employee.leaves.is_some_and(|last| day >= last + Days::new(5)) {
        return;
    }
    let hours = match (is_weekend, is_heavy) {
        (true, false) if random.random_range(0..10) > 0 => 0,
        (true, _) => 1,
        (false, true) => 11,
        (false, false) => random.random_range(3..8),
    };
    for hour in 0..hours {
        // Office hours in Japan are the first hours of the UTC day.
        let start = day.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::hours(hour);
        let [(first, share), (second, _)] = models_of(employee, is_heavy, second_half);
        let model = if random.random_range(0..100) < share {
            first
        } else {
            second
        };
        let weight = i64::from(employee.activity) * if is_heavy { 3 } else { 1 };
        let principal = employee.arn(random.random_range(1..4));
        push_tokens(
            model,
            start,
            employee.account,
            Some(&principal),
            weight,
            employee.moves_at_reorganisation,
            random,
            lines,
        );
    }
}

/// Agents, the gateway, a notebook that nobody registered, and calls without a caller.
fn agents_day(day: NaiveDate, random: &mut StdRng, lines: &mut Vec<Line>) {
    let account = ACCOUNTS[2].0;
    let assumed = |role: &str, session: String| format!("arn:aws:sts::{account}:assumed-role/{role}/{session}");
    for hour in 0..24 {
        let start = day.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::hours(hour);
        let session = random.random_range(0..4_u32);
        let bot = assumed(
            "support-bot-runtime",
            format!("BedrockAgentCore-7c9e6679-7425-40de-944b-e07fc1f90a{session:02}"),
        );
        push_tokens(&HAIKU_45, start, account, Some(&bot), 160, false, random, lines);
        if hour < 10 {
            push_tokens(
                &SONNET_46,
                start,
                account,
                Some(&assumed("litellm-gateway", "litellm".to_owned())),
                120,
                false,
                random,
                lines,
            );
        }
        if hour % 6 == 0 {
            push_tokens(
                &SONNET_46,
                start,
                account,
                Some(&assumed("contract-search-task", format!("task-{session}"))),
                80,
                false,
                random,
                lines,
            );
            push_tokens(
                &HAIKU_45,
                start,
                account,
                Some(&assumed("notebook-execution", "i-0f1e2d3c4b5a69788".to_owned())),
                40,
                false,
                random,
                lines,
            );
        }
        if hour == 3 {
            push_tokens(&HAIKU_45, start, account, None, 30, false, random, lines);
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "what makes a line, each another thing")]
fn push_tokens(
    model: &Model,
    start: DateTime<Utc>,
    account: &'static str,
    principal: Option<&str>,
    weight: i64,
    tagged: bool,
    random: &mut StdRng,
    lines: &mut Vec<Line>,
) {
    let marketplace = !model.product_code.starts_with("Amazon");
    let with_metadata = (start.year(), start.month()) >= METADATA_SINCE;
    for kind in 0..4 {
        let tokens = (HOURLY_TOKENS[kind] * weight / 100 * random.random_range(40..160) / 100).max(1);
        let cost = tokens * model.prices[kind];
        let product_name = if marketplace {
            format!("{} (Amazon Bedrock Edition)", model.title)
        } else {
            "Amazon Bedrock".to_owned()
        };
        let mut product = vec![("product_name", product_name), ("region", "ap-northeast-1".to_owned())];
        if with_metadata {
            product.extend([
                ("provider", "Anthropic".to_owned()),
                ("model", model.title.to_owned()),
                ("inference_type", KINDS[kind].to_owned()),
            ]);
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "an export holds doubles; tokens of an hour have far fewer than fifteen digits"
        )]
        let quantity = tokens as f64 / model.unit_tokens as f64;
        lines.push(Line {
            start,
            account,
            principal: principal.map(str::to_owned),
            product_code: model.product_code,
            product_family: with_metadata.then_some("Amazon Bedrock"),
            product,
            tags: if tagged {
                vec![("iamPrincipal/team", "research".to_owned())]
            } else {
                Vec::new()
            },
            charge_type: "Usage",
            usage_type: model.usage_types[kind].to_owned(),
            operation: "InvokeModelStreamingInference",
            unit: Some(model.unit),
            quantity,
            cost,
            net_cost: cost * (100 - DISCOUNT_PERCENT) / 100,
            resource: Some(format!(
                "arn:aws:bedrock:ap-northeast-1:{account}:inference-profile/{}",
                model.title.to_lowercase().replace(' ', "-")
            )),
            region: "ap-northeast-1",
            seller: if marketplace { INC } else { JAPAN },
            tax_type: None,
            description: "usage",
            is_bedrock: true,
        });
    }
}

fn other_services_day(day: NaiveDate, random: &mut StdRng, lines: &mut Vec<Line>) {
    for (account, _) in ACCOUNTS {
        for (product_code, name, family, usage_type, cost) in OTHER_SERVICES {
            for hour in 0..24 {
                let start = day.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::hours(hour);
                let cost = cost * random.random_range(80..120) / 100;
                lines.push(Line {
                    start,
                    account,
                    principal: None,
                    product_code,
                    product_family: Some(family),
                    product: vec![("product_name", name.to_owned())],
                    tags: vec![("resourceTags/user:env", "prod".to_owned())],
                    charge_type: "Usage",
                    usage_type: usage_type.to_owned(),
                    operation: "Run",
                    unit: Some("Hrs"),
                    quantity: 1.0,
                    cost,
                    net_cost: cost,
                    resource: None,
                    region: "ap-northeast-1",
                    seller: JAPAN,
                    tax_type: None,
                    description: "usage",
                    is_bedrock: false,
                });
            }
        }
    }
}

/// What follows from the usage of an account and product: tax on the net, the discount, now and then a credit or refund.
fn tax_and_discounts(period: BillingPeriod, lines: &[Line], number: usize) -> Vec<Line> {
    let mut sums: BTreeMap<(&str, &str), (&Line, i64, i64)> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.is_bedrock) {
        let sum = sums.entry((line.account, line.product_code)).or_insert((line, 0, 0));
        *sum = (sum.0, sum.1 + line.cost, sum.2 + line.net_cost);
    }
    let mut following = Vec::new();
    for (i, (of, cost, net_cost)) in sums.into_values().enumerate() {
        let mut push = |charge_type, cost, net_cost, description| {
            following.push(Line {
                start: period.first_day().and_time(chrono::NaiveTime::MIN).and_utc(),
                principal: None,
                tags: Vec::new(),
                charge_type,
                operation: "",
                unit: None,
                quantity: 0.0,
                cost,
                net_cost,
                resource: None,
                tax_type: (charge_type == "Tax").then_some("JCT"),
                description,
                ..of.clone()
            });
        };
        push("EdpDiscount", net_cost - cost, 0, "Enterprise Program Discount");
        push(
            "Tax",
            net_cost * TAX_PERCENT / 100,
            net_cost * TAX_PERCENT / 100,
            "Consumption tax",
        );
        if (i + number).is_multiple_of(4) {
            push("Credit", -(cost / 50), -(cost / 50), "AWS Promotional credit");
        }
        if (i + number) % 9 == 8 {
            push(
                "Refund",
                -(cost / 200),
                -(cost / 200),
                "Refund of a service interruption",
            );
        }
    }
    following
}
