//! Texts that charges repeat, as keys.  Rows are only ever added: what a key says never changes.

use std::collections::HashMap;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sqlx::PgConnection;

use super::StoreResult;
use crate::domain::attribution::Attribution;
use crate::domain::booked::Booked;
use crate::domain::charge::ChargeClass;
use crate::domain::delivery::{ChargeKey, LeftOutKey, TextId};
use crate::domain::principal::Principal;

/// Where on the bill a line stands: the texts of a section, in the order of its columns.
pub(super) type SectionTexts = [TextId; 8];

pub(super) fn section_of_charge(key: &ChargeKey) -> SectionTexts {
    [
        key.charge_type,
        key.bill_type,
        key.tax_type,
        key.billing_entity,
        key.seller,
        key.invoice,
        key.currency,
        key.description,
    ]
}

pub(super) fn section_of_left_out(key: &LeftOutKey) -> SectionTexts {
    let null = TextId::NULL;
    [
        key.charge_type,
        null,
        null,
        null,
        key.seller,
        key.invoice,
        key.currency,
        null,
    ]
}

/// Keys for everything that a delivery refers to.
pub(super) struct DimensionKeys {
    pub accounts: HashMap<TextId, i32>,
    pub principals: HashMap<TextId, i32>,
    pub tag_sets: Vec<i32>,
    pub resources: HashMap<TextId, i32>,
    pub meters: Vec<i32>,
    pub sections: HashMap<SectionTexts, i32>,
    pub attributions: Vec<i32>,
}

impl DimensionKeys {
    /// Adds what is new and reads the keys of everything.
    pub(super) async fn ensure(connection: &mut PgConnection, booked: &Booked) -> StoreResult<Self> {
        let delivery = &booked.delivery;
        let texts = &delivery.texts;
        let charges = || delivery.charges.iter().map(|(key, _)| key);
        let left_out = || delivery.left_out.iter().map(|(key, _)| key);

        let accounts = distinct(
            charges()
                .flat_map(|k| [k.payer, k.account])
                .chain(left_out().flat_map(|k| [k.payer, k.account])),
        );
        let accounts = accounts_of(
            connection,
            accounts.into_iter().map(|id| (id, texts.or_empty(id))).collect(),
        )
        .await?;

        // An empty principal is none, like NULL.
        let principals = distinct(
            charges()
                .map(|k| k.principal)
                .filter(|id| !texts.or_empty(*id).is_empty()),
        );
        let principals = principals_of(
            connection,
            principals.into_iter().map(|id| (id, texts.or_empty(id))).collect(),
        )
        .await?;

        let tag_sets: Vec<Value> = delivery.tag_sets.iter().map(|tags| json!(tags)).collect();
        let tag_sets = keys_of(connection, Dimension::TagSets, &tag_sets).await?;

        let resource_ids = distinct(charges().map(|k| k.resource).filter(|id| *id != TextId::NULL));
        let resources: Vec<Value> = resource_ids.iter().map(|id| json!(texts.get(*id))).collect();
        let keys = keys_of(connection, Dimension::Resources, &resources).await?;
        let resources = resource_ids.into_iter().zip(keys).collect();

        let meters: Vec<Value> = booked.meters.iter().map(|meter| meter_parts(booked, meter)).collect();
        let meters = keys_of(connection, Dimension::Meters, &meters).await?;

        let section_texts = distinct(
            charges()
                .map(section_of_charge)
                .chain(left_out().map(section_of_left_out)),
        );
        let sections: Vec<Value> = section_texts
            .iter()
            .map(|ids| {
                let [
                    charge_type,
                    bill_type,
                    tax_type,
                    billing_entity,
                    seller,
                    invoice,
                    currency,
                    description,
                ] = ids.map(|id| texts.get(id));
                let class = ChargeClass::of(charge_type.unwrap_or("")).as_str();
                json!([
                    charge_type,
                    class,
                    bill_type,
                    tax_type,
                    billing_entity,
                    seller,
                    invoice,
                    currency,
                    description
                ])
            })
            .collect();
        let keys = keys_of(connection, Dimension::BillSections, &sections).await?;
        let sections = section_texts.into_iter().zip(keys).collect();

        let attributions = attribution_keys(connection, &booked.attributions).await?;
        Ok(Self {
            accounts,
            principals,
            tag_sets,
            resources,
            meters,
            sections,
            attributions,
        })
    }
}

// Rows are inserted in the order of what identifies them: two months that load at once would else wait for each other.

fn distinct<T: Eq + std::hash::Hash + Copy>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = hashbrown::HashSet::new();
    values.filter(|value| seen.insert(*value)).collect()
}

fn meter_parts(booked: &Booked, meter: &crate::domain::booked::Meter) -> Value {
    let texts = &booked.delivery.texts;
    let product = booked.delivery.products[meter.key.product as usize];
    let key = &meter.key;
    let meaning = &meter.meaning;
    let tokens = meaning.tokens;
    let region = texts.get(key.region).or(meaning.region);
    let line_kind = key.is_usage.then(|| meaning.line_kind.as_str());
    let model = meaning.model.as_ref();
    let own = |id| texts.get(id).map(str::to_owned);
    let parts: [Option<String>; 22] = [
        own(key.product_code),
        own(key.product_family),
        own(product.product_name),
        own(product.provider),
        own(product.model),
        own(product.inference_type),
        own(product.feature),
        own(key.usage_type),
        own(key.operation),
        own(key.region),
        own(key.unit),
        region.map(str::to_owned),
        line_kind.map(str::to_owned),
        model.map(|m| m.provider.clone()),
        model.map(|m| m.family.clone()),
        model.map(|m| m.version.clone()),
        model.map(ToString::to_string),
        tokens.map(|t| t.kind.to_string()),
        tokens.and_then(|t| t.ttl).map(|ttl| ttl.to_string()),
        tokens.map(|t| t.route.to_string()),
        tokens.map(|t| t.tier.to_string()),
        tokens.map(|t| t.context.to_string()),
    ];
    json!(parts)
}

/// Keys of decisions, in their order; new ones are added.
pub(super) async fn attribution_keys(
    connection: &mut PgConnection,
    attributions: &[Attribution],
) -> StoreResult<Vec<i32>> {
    let rows = attributions.iter().map(|a| {
        let reason = a.reason.map(|reason| reason.as_str());
        let (rule, person_rule) = (
            a.rule.map(|rule| rule.as_str()),
            a.person_rule.map(|rule| rule.as_str()),
        );
        json!([
            a.state.as_str(),
            reason,
            a.department,
            a.person,
            a.project,
            rule,
            person_rule
        ])
    });
    keys_of(connection, Dimension::Attributions, &rows.collect::<Vec<_>>()).await
}

async fn accounts_of(
    connection: &mut PgConnection,
    mut accounts: Vec<(TextId, &str)>,
) -> StoreResult<HashMap<TextId, i32>> {
    accounts.sort_unstable_by_key(|(_, name)| *name);
    let names: Vec<String> = accounts.iter().map(|(_, name)| (*name).to_owned()).collect();
    sqlx::query_file!("queries/dimensions/insert_accounts.sql", &names)
        .execute(&mut *connection)
        .await?;
    let rows = sqlx::query_file!("queries/dimensions/list_account_keys.sql", &names)
        .fetch_all(&mut *connection)
        .await?;
    let keys: HashMap<&str, i32> = rows.iter().map(|row| (row.account.as_str(), row.account_key)).collect();
    Ok(accounts
        .into_iter()
        .filter_map(|(id, name)| Some((id, *keys.get(name)?)))
        .collect())
}

async fn principals_of(
    connection: &mut PgConnection,
    mut principals: Vec<(TextId, &str)>,
) -> StoreResult<HashMap<TextId, i32>> {
    principals.sort_unstable_by_key(|(_, arn)| *arn);
    let arns: Vec<String> = principals.iter().map(|(_, arn)| (*arn).to_owned()).collect();
    let parsed: Vec<Option<Principal<'_>>> = principals.iter().map(|(_, arn)| Principal::parse(arn)).collect();
    let part = |of: fn(&Principal<'_>) -> Option<String>| -> Vec<Option<String>> {
        parsed.iter().map(|p| p.as_ref().and_then(of)).collect()
    };
    let kinds: Vec<String> = parsed
        .iter()
        .map(|p| p.as_ref().map_or("other", |p| p.kind.as_str()).to_owned())
        .collect();
    sqlx::query_file!(
        "queries/dimensions/insert_principals.sql",
        &arns,
        &part(|p| Some(p.account.to_owned())) as _,
        &kinds,
        &part(|p| p.role.map(str::to_owned)) as _,
        &part(|p| p.session.map(str::to_owned)) as _,
        &part(|p| p.user.map(str::to_owned)) as _,
    )
    .execute(&mut *connection)
    .await?;
    let rows = sqlx::query_file!("queries/dimensions/list_principal_keys.sql", &arns)
        .fetch_all(&mut *connection)
        .await?;
    let keys: HashMap<&str, i32> = rows.iter().map(|row| (row.arn.as_str(), row.principal_key)).collect();
    Ok(principals
        .into_iter()
        .filter_map(|(id, arn)| Some((id, *keys.get(arn)?)))
        .collect())
}

/// The dimensions whose rows are known by a digest of what they say.
#[derive(Clone, Copy)]
enum Dimension {
    TagSets,
    Resources,
    Meters,
    BillSections,
    Attributions,
}

async fn keys_of(connection: &mut PgConnection, dimension: Dimension, rows: &[Value]) -> StoreResult<Vec<i32>> {
    let texts: Vec<String> = rows
        .iter()
        .map(|row| row.as_str().map_or_else(|| row.to_string(), str::to_owned))
        .collect();
    let digests: Vec<Vec<u8>> = texts
        .iter()
        .map(|text| Sha256::digest(text.as_bytes())[..16].to_vec())
        .collect();
    let insert = match dimension {
        Dimension::TagSets => sqlx::query_file!("queries/dimensions/insert_tag_sets.sql", &digests, &texts),
        Dimension::Resources => sqlx::query_file!("queries/dimensions/insert_resources.sql", &digests, &texts),
        Dimension::Meters => sqlx::query_file!("queries/dimensions/insert_meters.sql", &digests, &texts),
        Dimension::BillSections => sqlx::query_file!("queries/dimensions/insert_bill_sections.sql", &digests, &texts),
        Dimension::Attributions => sqlx::query_file!("queries/dimensions/insert_attributions.sql", &digests, &texts),
    };
    insert.execute(&mut *connection).await?;
    struct KeyRow {
        digest: Vec<u8>,
        key: i32,
    }
    let found = match dimension {
        Dimension::TagSets => {
            sqlx::query_file_as!(KeyRow, "queries/dimensions/list_tag_set_keys.sql", &digests)
                .fetch_all(connection)
                .await?
        }
        Dimension::Resources => {
            sqlx::query_file_as!(KeyRow, "queries/dimensions/list_resource_keys.sql", &digests)
                .fetch_all(connection)
                .await?
        }
        Dimension::Meters => {
            sqlx::query_file_as!(KeyRow, "queries/dimensions/list_meter_keys.sql", &digests)
                .fetch_all(connection)
                .await?
        }
        Dimension::BillSections => {
            sqlx::query_file_as!(KeyRow, "queries/dimensions/list_bill_section_keys.sql", &digests)
                .fetch_all(connection)
                .await?
        }
        Dimension::Attributions => {
            sqlx::query_file_as!(KeyRow, "queries/dimensions/list_attribution_keys.sql", &digests)
                .fetch_all(connection)
                .await?
        }
    };
    let keys: HashMap<Vec<u8>, i32> = found.into_iter().map(|row| (row.digest, row.key)).collect();
    let keys: Vec<i32> = digests.iter().filter_map(|digest| keys.get(digest).copied()).collect();
    assert_eq!(keys.len(), rows.len(), "every row of a dimension has a key");
    Ok(keys)
}
