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
    let account = export_account(config, export);
    ExportLocation::Bucket {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
        access: AwsAccess {
            region: export.region.clone(),
            endpoint: export.endpoint.clone(),
            ..account
        },
        fetch_bytes_max: u64::from(export.fetch_mib_max) * 1024 * 1024,
        are_copies: export.copied,
    }
}

/// How the account that owns an export is reached: by the export's own role or profile, else by the shared ones.
pub(super) fn export_account(config: &Config, export: &ExportConfig) -> AwsAccess {
    let shared = account_access(config);
    // An external id belongs to its role.
    let (role_arn, external_id) = match &export.role_arn {
        Some(role) => (Some(role.clone()), export.external_id.clone()),
        None => (shared.role_arn, export.external_id.clone().or(shared.external_id)),
    };
    AwsAccess {
        profile: export.profile.clone().or(shared.profile),
        role_arn,
        external_id,
        ..account_access(config)
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
