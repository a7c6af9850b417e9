//! What the settings say about AWS, as the sources want to hear it.

use std::path::PathBuf;

use crate::config::{Config, ExportConfig};
use crate::jobs::CostExplorerSettings;
use crate::sources::aws::AwsAccess;
use crate::sources::cur::ExportLocation;

/// Where an export lies.
pub(super) fn export_location(config: &Config, export: &ExportConfig) -> ExportLocation {
    let Some((bucket, prefix)) = export.bucket_and_prefix() else {
        let folder = export.location.strip_prefix("file://").unwrap_or(&export.location);
        return ExportLocation::Folder(PathBuf::from(folder));
    };
    let or_shared = |own: &Option<String>, shared: &Option<String>| own.clone().or_else(|| shared.clone());
    ExportLocation::Bucket {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        access: AwsAccess {
            profile: or_shared(&export.profile, &config.aws.profile),
            region: export.region.clone(),
            role_arn: or_shared(&export.role_arn, &config.aws.role_arn),
            external_id: or_shared(&export.external_id, &config.aws.external_id),
            endpoint: export.endpoint.clone(),
            sts_endpoint: config.aws.endpoint.clone(),
        },
        fetch_bytes_max: u64::from(export.fetch_mib_max) * 1024 * 1024,
        are_copies: export.copied,
    }
}

/// How the account's own services are reached.
pub(super) fn account_access(config: &Config) -> AwsAccess {
    AwsAccess {
        profile: config.aws.profile.clone(),
        region: config.aws.region.clone(),
        role_arn: config.aws.role_arn.clone(),
        external_id: config.aws.external_id.clone(),
        endpoint: config.aws.endpoint.clone(),
        sts_endpoint: config.aws.endpoint.clone(),
    }
}

pub(super) fn cost_explorer_settings(config: &Config) -> CostExplorerSettings {
    let own = &config.cost_explorer;
    CostExplorerSettings {
        access: AwsAccess {
            endpoint: own.endpoint.clone().or_else(|| config.aws.endpoint.clone()),
            ..account_access(config)
        },
        tag_keys: own.tag_keys.clone(),
        max_requests_per_day: own.max_requests_per_day,
        payer: own.payer.clone(),
        period: None,
    }
}
