//! Who AWS takes us for, and what time it is there.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;
use chrono::{DateTime, Utc};

use super::aws::{AwsAccess, AwsFailure, Call};

/// An AWS identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub account: String,
    pub arn: String,
    /// The time by AWS's clock, which signatures are judged by.
    pub answered_at: Option<DateTime<Utc>>,
}

pub async fn fetch_identity(access: &AwsAccess) -> Result<Identity, AwsFailure> {
    let shared = access.load("us-east-1").await;
    let clock = ServerClock::default();
    let config = aws_sdk_sts::config::Builder::from(&shared)
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        .interceptor(clock.clone());
    let client = aws_sdk_sts::Client::from_conf(config.build());
    let call = Call {
        action: "sts:GetCallerIdentity",
        object: "AWS identity (STS)".to_owned(),
        resource: "*".to_owned(),
    };
    let answer = client
        .get_caller_identity()
        .send()
        .await
        .map_err(|e| call.failure(&e))?;
    let answered_at = *clock.0.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Identity {
        account: answer.account().unwrap_or_default().to_owned(),
        arn: answer.arn().unwrap_or_default().to_owned(),
        answered_at,
    })
}

/// Reads the time of each answer.
#[derive(Debug, Clone, Default)]
struct ServerClock(Arc<Mutex<Option<DateTime<Utc>>>>);

impl Intercept for ServerClock {
    fn name(&self) -> &'static str {
        "ServerClock"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date");
        let time = date.and_then(|date| DateTime::parse_from_rfc2822(date).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = time.map(|time| time.to_utc());
        Ok(())
    }
}
