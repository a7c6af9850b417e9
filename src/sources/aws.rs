//! Reaching AWS: whose credentials, which region, and what a failed call means for the person who must mend it.
//!
//! Credentials are the SDK's business (environment, profile, container, instance); no secret passes through here.

use std::time::Duration;

use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use chrono::{DateTime, Utc};

/// Every request names this program, so that CloudTrail can tell who asked.
const SESSION_NAME: &str = "anbun";
const CONNECT_SECONDS_MAX: u64 = 5;
/// Until an answer begins; bodies have their own guard against standing still.
const ATTEMPT_SECONDS_MAX: u64 = 60;

/// How a service is reached, as the settings say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AwsAccess {
    pub profile: Option<String>,
    pub region: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    /// Of the service itself, for stores and servers that speak its protocol.
    pub endpoint: Option<String>,
    /// Of the service that hands out a role's credentials.
    pub sts_endpoint: Option<String>,
}

impl AwsAccess {
    /// The SDK's configuration; `fallback_region` where neither the settings nor the environment name one.
    pub async fn load(&self, fallback_region: &'static str) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(CONNECT_SECONDS_MAX))
            .operation_attempt_timeout(Duration::from_secs(ATTEMPT_SECONDS_MAX))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).timeout_config(timeouts);
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        let mut config = loader.load().await;
        if config.region().is_none() {
            config = config
                .into_builder()
                .region(Region::from_static(fallback_region))
                .build();
        }
        if let Some(role) = &self.role_arn {
            config = self.assume(role, config).await;
        }
        match &self.endpoint {
            Some(endpoint) => config.into_builder().endpoint_url(endpoint).build(),
            None => config,
        }
    }

    async fn assume(&self, role: &str, config: SdkConfig) -> SdkConfig {
        let own = match &self.sts_endpoint {
            Some(endpoint) => config.clone().into_builder().endpoint_url(endpoint).build(),
            None => config.clone(),
        };
        let mut provider = AssumeRoleProvider::builder(role)
            .session_name(SESSION_NAME)
            .configure(&own);
        if let Some(external_id) = &self.external_id {
            provider = provider.external_id(external_id);
        }
        let credentials = aws_sdk_s3::config::SharedCredentialsProvider::new(provider.build().await);
        config.into_builder().credentials_provider(credentials).build()
    }
}

/// What a failed call means; a kind exists where somebody must act differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AwsFailureKind {
    NotAllowed,
    NoCredentials,
    ExpiredCredentials,
    ClockSkew,
    NotFound,
    OtherRegion,
    /// The object is not the one that was found before.
    Changed,
    Throttled,
    Unavailable,
    NotEnabled,
    Refused,
}

impl AwsFailureKind {
    /// Whether asking again soon is of no use.
    pub const fn needs_a_person(self) -> bool {
        match self {
            Self::NotAllowed
            | Self::NoCredentials
            | Self::ExpiredCredentials
            | Self::ClockSkew
            | Self::NotFound
            | Self::OtherRegion
            | Self::NotEnabled
            | Self::Refused => true,
            Self::Changed | Self::Throttled | Self::Unavailable => false,
        }
    }
}

/// A call that failed: on what, why, and what to do.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{object}: {what}; {remedy}")]
pub struct AwsFailure {
    pub kind: AwsFailureKind,
    pub object: Box<str>,
    pub what: Box<str>,
    pub remedy: Box<str>,
    /// AWS's own wish for when to come again.
    pub retry_after: Option<Duration>,
    /// Where a bucket is, if the answer said so.
    pub region: Option<Box<str>>,
    /// The service's own word for the error.
    pub code: Option<Box<str>>,
    /// The time by AWS's clock.
    pub answered_at: Option<DateTime<Utc>>,
}

/// A call by the IAM action that allows it and the resource that it is allowed on.
#[derive(Debug, Clone)]
pub struct Call {
    pub action: &'static str,
    /// As a person would name it, such as `s3://bucket/key` or `Cost Explorer`.
    pub object: String,
    /// As a policy names it.
    pub resource: String,
}

impl Call {
    pub fn failure<E>(&self, error: &SdkError<E, HttpResponse>) -> AwsFailure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let response = error.raw_response();
        let header = |name: &str| response.and_then(|r| r.headers().get(name)).map(str::to_owned);
        let status = response.map(|r| r.status().as_u16());
        let meta = error.as_service_error().map(ProvideErrorMetadata::meta);
        let code = meta.and_then(|m| m.code()).map(str::to_owned);
        let message = meta.and_then(|m| m.message()).map(str::to_owned);
        let told = match (&code, &message, status) {
            (Some(code), Some(message), _) => format!("{code}: {message}"),
            (Some(code), None, _) => code.clone(),
            (None, _, Some(status)) if error.as_service_error().is_some() => format!("HTTP status {status}"),
            _ => chain(error),
        };
        let kind = kind_of(code.as_deref(), status, &told);
        let region = header("x-amz-bucket-region");
        AwsFailure {
            kind,
            object: self.object.as_str().into(),
            remedy: self.remedy(kind, region.as_deref()).into(),
            what: told.into(),
            retry_after: header("retry-after")
                .and_then(|seconds| seconds.trim().parse().ok())
                .map(Duration::from_secs),
            region: region.map(Into::into),
            code: code.map(Into::into),
            answered_at: header("date").and_then(|date| Some(DateTime::parse_from_rfc2822(&date).ok()?.to_utc())),
        }
    }

    /// A failure that is not an error of the service, such as a body that ends early.
    pub fn cut_off(&self, what: impl Into<String>) -> AwsFailure {
        let kind = AwsFailureKind::Unavailable;
        AwsFailure {
            kind,
            object: self.object.as_str().into(),
            what: what.into().into(),
            remedy: self.remedy(kind, None).into(),
            retry_after: None,
            region: None,
            code: None,
            answered_at: None,
        }
    }

    fn remedy(&self, kind: AwsFailureKind, region: Option<&str>) -> String {
        match kind {
            AwsFailureKind::NotAllowed => format!(
                "allow {} on {} to the identity that anbun runs as ('anbun setup aws --print policy')",
                self.action, self.resource
            ),
            AwsFailureKind::NoCredentials => {
                "give anbun credentials: a role of the machine or container, a profile, or the AWS_ variables"
                    .to_owned()
            }
            AwsFailureKind::ExpiredCredentials => {
                "sign in again, or run anbun with a role whose credentials are renewed by themselves".to_owned()
            }
            AwsFailureKind::ClockSkew => "set the clock of the machine: AWS refuses signatures that are off".to_owned(),
            AwsFailureKind::NotFound => "check the name in the settings".to_owned(),
            AwsFailureKind::OtherRegion => match region {
                Some(region) => format!("the bucket is in {region}: correct 'region' in the settings, or leave it out"),
                None => "the bucket is in another region: correct 'region' in the settings, or leave it out".to_owned(),
            },
            AwsFailureKind::Changed => "a refresh is under way; the next run reads it when it is done".to_owned(),
            AwsFailureKind::Throttled => "AWS asks to slow down; the next run tries again".to_owned(),
            AwsFailureKind::Unavailable => "check the network and the AWS status; the next run tries again".to_owned(),
            AwsFailureKind::NotEnabled => {
                "open Cost Explorer once in the console of the payer account; its data is there a day later".to_owned()
            }
            AwsFailureKind::Refused => "see the message".to_owned(),
        }
    }
}

/// An error and its causes in words; the SDK's own texts repeat themselves from one to the next.
fn chain(error: &dyn std::error::Error) -> String {
    let mut told: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !told.iter().any(|before| before.contains(&text)) {
            told.push(text);
        }
        next = error.source();
    }
    told.join(": ")
}

fn kind_of(code: Option<&str>, status: Option<u16>, told: &str) -> AwsFailureKind {
    use AwsFailureKind as Kind;
    let told_in_small = told.to_ascii_lowercase();
    let says = |words: &str| told_in_small.contains(words);
    match code.unwrap_or("") {
        "AccessDenied" | "AccessDeniedException" if says("not enabled for cost explorer") => return Kind::NotEnabled,
        "DataUnavailableException" => return Kind::NotEnabled,
        "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => return Kind::ExpiredCredentials,
        "RequestTimeTooSkewed" | "RequestExpired" | "RequestInTheFuture" => return Kind::ClockSkew,
        "InvalidSignatureException" | "SignatureDoesNotMatch"
            if says("signature expired") || says("not yet current") =>
        {
            return Kind::ClockSkew;
        }
        "AccessDenied"
        | "AccessDeniedException"
        | "AllAccessDisabled"
        | "UnauthorizedOperation"
        | "InvalidAccessKeyId"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidToken" => return Kind::NotAllowed,
        "NoSuchBucket" | "NoSuchKey" | "NotFound" | "ResourceNotFoundException" => return Kind::NotFound,
        "PermanentRedirect" | "AuthorizationHeaderMalformed" | "TemporaryRedirect" => return Kind::OtherRegion,
        "PreconditionFailed" => return Kind::Changed,
        "Throttling"
        | "ThrottlingException"
        | "ThrottledException"
        | "LimitExceededException"
        | "SlowDown"
        | "TooManyRequestsException"
        | "RequestLimitExceeded"
        | "BandwidthLimitExceeded" => return Kind::Throttled,
        _ => {}
    }
    match status {
        Some(301 | 307) => Kind::OtherRegion,
        Some(401 | 403) => Kind::NotAllowed,
        Some(404) => Kind::NotFound,
        Some(412) => Kind::Changed,
        Some(429) => Kind::Throttled,
        Some(status) if status >= 500 => Kind::Unavailable,
        Some(_) => Kind::Refused,
        None if says("expiredtoken") => Kind::ExpiredCredentials,
        None if says("not authorized to perform: sts:assumerole") || says("accessdenied") => Kind::NotAllowed,
        None if says("credential") || says("identity") => Kind::NoCredentials,
        None => Kind::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_say_what_to_do_and_unknown_ones_go_by_their_status() {
        use AwsFailureKind as Kind;
        for (code, status, told, kind) in [
            (Some("AccessDenied"), Some(403), "", Kind::NotAllowed),
            (
                Some("AccessDeniedException"),
                Some(400),
                "User not enabled for cost explorer access",
                Kind::NotEnabled,
            ),
            (Some("ExpiredToken"), Some(400), "", Kind::ExpiredCredentials),
            (Some("RequestTimeTooSkewed"), Some(403), "", Kind::ClockSkew),
            (
                Some("InvalidSignatureException"),
                Some(400),
                "Signature expired: 20261101",
                Kind::ClockSkew,
            ),
            (
                Some("InvalidSignatureException"),
                Some(400),
                "does not match",
                Kind::NotAllowed,
            ),
            (Some("PermanentRedirect"), Some(301), "", Kind::OtherRegion),
            (Some("LimitExceededException"), Some(400), "", Kind::Throttled),
            (Some("SomethingNew"), Some(503), "", Kind::Unavailable),
            (Some("SomethingNew"), Some(400), "", Kind::Refused),
            (None, Some(403), "", Kind::NotAllowed),
            (
                None,
                None,
                "dispatch failure: no providers in chain provided credentials",
                Kind::NoCredentials,
            ),
            (None, None, "dispatch failure: connection refused", Kind::Unavailable),
        ] {
            assert_eq!(kind_of(code, status, told), kind, "{code:?} {status:?} {told}");
        }
    }
}
