//! Who AWS takes us for.

use aws_sdk_sts::config::retry::RetryConfig;

use super::aws::{AwsAccess, AwsFailure, Call};

/// An AWS identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub account: String,
    pub arn: String,
}

pub async fn fetch_identity(access: &AwsAccess) -> Result<Identity, AwsFailure> {
    let shared = access.load("us-east-1").await;
    let config = aws_sdk_sts::config::Builder::from(&shared).retry_config(RetryConfig::standard().with_max_attempts(3));
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
    Ok(Identity {
        account: answer.account().unwrap_or_default().to_owned(),
        arn: answer.arn().unwrap_or_default().to_owned(),
    })
}
