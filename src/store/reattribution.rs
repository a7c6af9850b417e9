//! Deciding the stored usage of a month anew, in the caller's transaction: kept with its commit, undone with its rollback.

use chrono::NaiveDate;
use sqlx::PgConnection;

use super::dimensions::attribution_keys;
use super::load::{insert_findings, lock_period_in_transaction};
use super::{StoreError, StoreResult};
use crate::domain::attribution::{AttributionSettings, EvidenceTags};
use crate::domain::directory::Directory;
use crate::domain::money::Amount;
use crate::domain::period::{BillingPeriod, DayRange};
use crate::domain::reattribution::{DECIDED_FINDINGS, StoredUse, decide_anew};

/// The current delivery of a source's month.
struct Loaded {
    source_id: i32,
    snapshot_id: i32,
}

/// Decides a month anew by a directory; returns how many charges have another owner than before.
pub async fn reattribute(
    transaction: &mut PgConnection,
    period: BillingPeriod,
    (directory, version): (&Directory, Option<i32>),
    settings: &AttributionSettings,
) -> StoreResult<u64> {
    lock_period_in_transaction(transaction, period).await?;
    let first_day = period.first_day();
    let loaded = sqlx::query_file_as!(Loaded, "queries/reattribution/list_loaded.sql", first_day)
        .fetch_all(&mut *transaction)
        .await?;
    let mut changed = 0;
    for Loaded { source_id, snapshot_id } in loaded {
        let (from, to) = sqlx::query_file!("queries/reattribution/find_days.sql", first_day, source_id)
            .fetch_one(&mut *transaction)
            .await
            .map(|row| (row.from, row.to))?;
        let (Some(from), Some(last)) = (from, to) else {
            continue;
        };
        let to = last.succ_opt().unwrap_or(last);
        let spans = directory.spans(DayRange { from, to });
        let begins: Vec<NaiveDate> = spans.iter().map(|span| span.from).collect();
        let rows = sqlx::query_file!("queries/reattribution/list_uses.sql", first_day, source_id, &begins)
            .fetch_all(&mut *transaction)
            .await?;
        let mut keys = Vec::with_capacity(rows.len());
        let mut uses = Vec::with_capacity(rows.len());
        for row in rows {
            keys.push((row.principal_key, row.tag_set_key, row.begins));
            uses.push(StoredUse {
                arn: row.arn,
                tags: serde_json::from_value::<EvidenceTags>(row.tags).unwrap_or_default(),
                from: row.begins,
                currency: row.currency,
                lines: row.lines,
                cost: Amount::from_decimal(row.cost).ok_or(StoreError::TooLarge)?,
            });
        }
        let decided = decide_anew(&uses, &spans, directory, settings);
        let attributions = attribution_keys(transaction, &decided.attributions).await?;
        let end_of = |begins: NaiveDate| spans.iter().find(|span| span.from == begins).map_or(to, |span| span.to);
        let done = sqlx::query_file!(
            "queries/reattribution/update_charges.sql",
            first_day,
            source_id,
            &keys
                .iter()
                .map(|(principal, ..)| principal.unwrap_or(-1))
                .collect::<Vec<i32>>(),
            &keys.iter().map(|(_, tags, _)| *tags).collect::<Vec<i32>>(),
            &keys.iter().map(|(.., begins)| *begins).collect::<Vec<NaiveDate>>(),
            &keys
                .iter()
                .map(|(.., begins)| end_of(*begins))
                .collect::<Vec<NaiveDate>>(),
            &attributions,
        )
        .execute(&mut *transaction)
        .await?;
        changed += done.rows_affected();
        let codes = DECIDED_FINDINGS.map(str::to_owned);
        sqlx::query_file!("queries/reattribution/delete_findings.sql", snapshot_id, &codes)
            .execute(&mut *transaction)
            .await?;
        insert_findings(transaction, snapshot_id, &decided.findings).await?;
        sqlx::query_file!("queries/reattribution/update_snapshot.sql", snapshot_id, version)
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() > 0 {
            sqlx::query_file!("queries/reattribution/roll_up.sql", source_id, first_day)
                .execute(&mut *transaction)
                .await?;
            sqlx::query_file!(
                "queries/reattribution/replace_department_days.sql",
                snapshot_id,
                first_day,
                source_id
            )
            .execute(&mut *transaction)
            .await?;
        }
    }
    Ok(changed)
}
