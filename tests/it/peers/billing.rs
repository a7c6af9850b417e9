//! AWS's billing services by their documented shapes: Cost Explorer, Data Exports, legacy reports, and STS.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{Days, NaiveDate};
use serde_json::{Value, json};

pub(crate) const PAYER: &str = "999900001111";

/// Answers an operation before the default does: `Some` wins.
type Override = Box<dyn FnMut(&str, &Value, usize) -> Option<(u16, Value)> + Send>;

/// What one day costs: (service, label) to amount, for a group kind (`USAGE_TYPE`, `RECORD_TYPE` or a tag key).
type Totals = Box<dyn Fn(NaiveDate, &str) -> Vec<(String, String, String)> + Send>;

struct Inner {
    calls: Vec<(String, Value)>,
    overrides: Option<Override>,
    totals: Totals,
    services: Vec<String>,
    /// Days before this are final.
    final_before: NaiveDate,
    groups_per_page: usize,
    active_tags: Vec<String>,
    exports: BTreeMap<String, Value>,
    reports: Vec<Value>,
}

#[derive(Clone)]
pub(crate) struct Billing {
    inner: Arc<Mutex<Inner>>,
    pub endpoint: String,
}

impl Billing {
    pub(crate) async fn serve() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let inner = Inner {
            calls: Vec::new(),
            overrides: None,
            totals: Box::new(|_, _| Vec::new()),
            services: vec!["Amazon Bedrock".to_owned()],
            final_before: NaiveDate::MIN,
            groups_per_page: 5000,
            active_tags: Vec::new(),
            exports: BTreeMap::new(),
            reports: Vec::new(),
        };
        let billing = Self {
            inner: Arc::new(Mutex::new(inner)),
            endpoint,
        };
        let router = Router::new().fallback(answer).with_state(billing.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        billing
    }

    pub(crate) fn totals(&self, totals: impl Fn(NaiveDate, &str) -> Vec<(String, String, String)> + Send + 'static) {
        self.inner.lock().unwrap().totals = Box::new(totals);
    }

    pub(crate) fn services(&self, services: &[&str]) {
        self.inner.lock().unwrap().services = services.iter().map(|s| (*s).to_owned()).collect();
    }

    pub(crate) fn active_tags(&self, tags: &[&str]) {
        self.inner.lock().unwrap().active_tags = tags.iter().map(|t| (*t).to_owned()).collect();
    }

    pub(crate) fn final_before(&self, day: NaiveDate) {
        self.inner.lock().unwrap().final_before = day;
    }

    pub(crate) fn groups_per_page(&self, groups: usize) {
        self.inner.lock().unwrap().groups_per_page = groups;
    }

    pub(crate) fn answer_instead(
        &self,
        answer: impl FnMut(&str, &Value, usize) -> Option<(u16, Value)> + Send + 'static,
    ) {
        self.inner.lock().unwrap().overrides = Some(Box::new(answer));
    }

    pub(crate) fn answer_as_usual(&self) {
        self.inner.lock().unwrap().overrides = None;
    }

    pub(crate) fn put_export(&self, arn: &str, export: Value) {
        self.inner.lock().unwrap().exports.insert(arn.to_owned(), export);
    }

    pub(crate) fn put_report(&self, report: Value) {
        self.inner.lock().unwrap().reports.push(report);
    }

    /// Operations that were called since the last time, with what they were asked.
    pub(crate) fn take_calls(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.inner.lock().unwrap().calls)
    }
}

fn refuse(status: u16, code: &str, message: &str) -> (u16, Value) {
    (status, json!({"__type": code, "message": message}))
}

async fn answer(State(billing): State<Billing>, headers: HeaderMap, body: String) -> Response {
    let target = headers.get("x-amz-target").and_then(|t| t.to_str().ok()).unwrap_or("");
    let operation = target.rsplit('.').next().unwrap_or("").to_owned();
    if operation.is_empty() {
        return identity(&billing, &body);
    }
    let asked: Value = serde_json::from_str(&body).unwrap_or(Value::Null);
    let mut inner = billing.inner.lock().unwrap();
    inner.calls.push((operation.clone(), asked.clone()));
    let number = inner.calls.len();
    let mut overrides = inner.overrides.take();
    let instead = overrides.as_mut().and_then(|answer| answer(&operation, &asked, number));
    inner.overrides = overrides;
    let (status, answer) = instead.unwrap_or_else(|| inner.answer(&operation, &asked));
    let status = StatusCode::from_u16(status).unwrap();
    (
        status,
        [("content-type", "application/x-amz-json-1.1")],
        answer.to_string(),
    )
        .into_response()
}

/// STS speaks another protocol.
fn identity(billing: &Billing, body: &str) -> Response {
    let mut inner = billing.inner.lock().unwrap();
    inner.calls.push(("GetCallerIdentity".to_owned(), Value::Null));
    assert!(body.contains("Action=GetCallerIdentity"), "{body}");
    let mut overrides = inner.overrides.take();
    let instead = overrides
        .as_mut()
        .and_then(|answer| answer("GetCallerIdentity", &Value::Null, 0));
    inner.overrides = overrides;
    if let Some((status, error)) = instead {
        let code = error["__type"].as_str().unwrap_or("");
        let xml = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{code}</Message></Error></ErrorResponse>"
        );
        return (
            StatusCode::from_u16(status).unwrap(),
            [("content-type", "text/xml")],
            xml,
        )
            .into_response();
    }
    let xml = format!(
        "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult><Arn>arn:aws:sts::{PAYER}:assumed-role/anbun/anbun</Arn><UserId>A</UserId><Account>{PAYER}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"
    );
    (StatusCode::OK, [("content-type", "text/xml")], xml).into_response()
}

impl Inner {
    fn answer(&mut self, operation: &str, asked: &Value) -> (u16, Value) {
        match operation {
            "GetDimensionValues" => {
                let values: Vec<Value> = self
                    .services
                    .iter()
                    .map(|s| json!({"Value": s, "Attributes": {}}))
                    .collect();
                (
                    200,
                    json!({"DimensionValues": values, "ReturnSize": values.len(), "TotalSize": values.len()}),
                )
            }
            "ListCostAllocationTags" => {
                let tags: Vec<Value> = self
                    .active_tags
                    .iter()
                    .map(|t| json!({"TagKey": t, "Type": "UserDefined", "Status": "Active", "LastUsedDate": "2026-11-20T00:00:00Z"}))
                    .collect();
                (200, json!({"CostAllocationTags": tags}))
            }
            "GetCostAndUsage" => self.cost_and_usage(asked),
            "ListExports" => {
                let exports: Vec<Value> = self
                    .exports
                    .iter()
                    .map(|(arn, e)| json!({"ExportArn": arn, "ExportName": e["Name"], "ExportStatus": {"StatusCode": "HEALTHY"}}))
                    .collect();
                (200, json!({"Exports": exports}))
            }
            "GetExport" => match asked["ExportArn"].as_str().and_then(|arn| self.exports.get(arn)) {
                Some(export) => (
                    200,
                    json!({"Export": export, "ExportStatus": {"StatusCode": "HEALTHY"}}),
                ),
                None => refuse(400, "ResourceNotFoundException", "no such export"),
            },
            "CreateExport" => {
                let mut export = asked["Export"].clone();
                let name = export["Name"].as_str().unwrap().to_owned();
                let arn = format!("arn:aws:bcm-data-exports:us-east-1:{PAYER}:export/{name}-1");
                export["ExportArn"] = json!(arn);
                self.exports.insert(arn.clone(), export);
                (200, json!({"ExportArn": arn}))
            }
            "DescribeReportDefinitions" => (200, json!({"ReportDefinitions": self.reports})),
            other => refuse(400, "UnknownOperationException", other),
        }
    }

    fn cost_and_usage(&self, asked: &Value) -> (u16, Value) {
        let day = |which: &str| -> NaiveDate { asked["TimePeriod"][which].as_str().unwrap().parse().unwrap() };
        let (from, to) = (day("Start"), day("End"));
        let by = asked["GroupBy"].as_array().unwrap().last().unwrap();
        let key = by["Key"].as_str().unwrap();
        let is_tag = by["Type"] == "TAG";
        let mut all: Vec<(NaiveDate, Value)> = Vec::new();
        let mut next = from;
        while next < to {
            for (service, label, amount) in (self.totals)(next, key) {
                let keys = if is_tag {
                    json!([format!("{key}${label}")])
                } else {
                    json!([service, label])
                };
                all.push((
                    next,
                    json!({"Keys": keys, "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}}}),
                ));
            }
            next = next + Days::new(1);
        }
        let start: usize = match asked["NextPageToken"].as_str() {
            Some(token) => token.parse().unwrap(),
            None => 0,
        };
        let end = all.len().min(start + self.groups_per_page);
        let last_page = end == all.len();
        let mut results: BTreeMap<NaiveDate, Vec<Value>> = BTreeMap::new();
        // Days without a group are told on the first page.
        if start == 0 {
            let mut next = from;
            while next < to {
                results.insert(next, Vec::new());
                next = next + Days::new(1);
            }
        }
        for (day, group) in &all[start..end] {
            results.entry(*day).or_default().push(group.clone());
        }
        let results: Vec<Value> = results
            .into_iter()
            .map(|(day, groups)| {
                json!({
                    "TimePeriod": {"Start": day.to_string(), "End": (day + Days::new(1)).to_string()},
                    "Total": {}, "Groups": groups, "Estimated": day >= self.final_before
                })
            })
            .collect();
        let mut answer =
            json!({"ResultsByTime": results, "GroupDefinitions": asked["GroupBy"], "DimensionValueAttributes": []});
        if !last_page {
            answer["NextPageToken"] = json!(end.to_string());
        }
        (200, answer)
    }
}
