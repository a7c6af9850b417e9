//! A locked month by what was sealed, and by what its bill and its invoices say now.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::PgConnection;

use super::{add, bill_of};
use crate::domain::books::{
    Bill, BillRate, Column, Conversion, InvoiceTotals, Ledger, Posting, cancels, exchange_difference_receiver,
    exchange_differences,
};
use crate::domain::invoice::{Invoice, effective};
use crate::domain::money::{Amount, Ratio, convert_parts};
use crate::domain::period::BillingPeriod;
use crate::domain::rate::{ChargebackRate, RateBook};
use crate::domain::true_up::{Billing, Restated, Standing, Stood, TrueUpKey};
use crate::store::allocation::list_rules;
use crate::store::books::{Leaves, read_month};
use crate::store::invoices::list_invoices;
use crate::store::sealed_directories::find_directory;
use crate::store::statements::{find_statement, list_postings};
use crate::store::{StoreError, StoreResult};

pub(super) struct LockedMonth {
    head: Value,
    postings: Vec<Posting>,
    ledger: Ledger,
    invoices: Vec<Invoice>,
    /// Who has what invoices come to besides the planning rate, by the rules that were sealed.
    exchange_receiver: Option<String>,
}

impl LockedMonth {
    pub(super) async fn read(
        connection: &mut PgConnection,
        origin: BillingPeriod,
        statement_id: i32,
    ) -> StoreResult<Self> {
        let statement = find_statement(connection, statement_id).await?;
        let postings = list_postings(connection, statement_id).await?;
        let directory = match statement.directory_version {
            Some(version) => find_directory(connection, version).await?.unwrap_or_default(),
            None => Default::default(),
        };
        let rules = list_rules(connection, statement.allocation_version).await?;
        let facts = read_month(connection, origin, &directory.departments, Leaves::None)
            .await?
            .facts;
        let receiver = exchange_difference_receiver(&rules, origin, &facts.departments).map(str::to_owned);
        Ok(Self {
            head: serde_json::from_str(&statement.head).unwrap_or_default(),
            postings: postings.into_iter().map(|(_, posting)| posting).collect(),
            ledger: Ledger::build(origin, &facts, &rules),
            invoices: list_invoices(connection, Some(origin)).await?,
            exchange_receiver: receiver,
        })
    }

    pub(super) fn is_charged_at_planning(&self) -> bool {
        serde_json::from_value(self.head["charged_at"].clone())
            .is_ok_and(|at: ChargebackRate| at == ChargebackRate::Planning)
    }

    /// The planning rate that the month was charged at, as it was sealed; of a seal that does not say it, what the book says now.
    pub(super) fn planning_rate(&self, book: &RateBook, origin: BillingPeriod) -> StoreResult<Ratio> {
        let text = |key: &str| self.head["charging_rate"][key].as_str();
        let sealed = text("jpy")
            .and_then(|jpy| jpy.parse().ok())
            .zip(text("usd").and_then(Amount::parse));
        let sealed = sealed.and_then(|(jpy, usd)| Ratio::of_total(jpy, usd));
        let ratio = sealed.or_else(|| Ratio::of_rate(book.planning(origin).value));
        ratio.ok_or(StoreError::TooLarge)
    }

    /// Groups of the sealed head that stand on invoices alone, each of which was recorded.
    fn groups_on_invoices(&self) -> BTreeSet<usize> {
        let texts = |list: &Value, key: &str| -> Vec<Option<String>> {
            let list = list.as_array().into_iter().flatten();
            list.map(|of| of[key].as_str().map(str::to_owned)).collect()
        };
        let recorded = texts(&self.head["invoices"], "invoice_id");
        let groups = self.head["groups"].as_array().into_iter().flatten().enumerate();
        let on_invoices = groups.filter(|(_, group)| {
            let invoices = texts(&group["bills"], "invoice");
            invoices.iter().all(|id| id.is_some() && recorded.contains(id))
        });
        on_invoices.map(|(nth, _)| nth).collect()
    }

    pub(super) fn restated(&self, policy: Ratio, planning: Option<Ratio>, settled: Standing) -> StoreResult<Restated> {
        let on_invoices = self.groups_on_invoices();
        let mut groups: BTreeMap<(String, String, String), usize> = BTreeMap::new();
        for group in &on_invoices {
            for bill in self.head["groups"][group]["bills"].as_array().into_iter().flatten() {
                let text = |key: &str| bill[key].as_str().unwrap_or_default().to_owned();
                groups.insert((text("payer"), text("seller"), text("invoice")), *group);
            }
        }
        let mut locked = Standing::new();
        let mut sealed: BTreeMap<usize, Standing> = BTreeMap::new();
        for posting in self.postings.iter().filter(|posting| posting.column.is_billed()) {
            let (payer, seller) = bill_of(&self.head, i32::try_from(posting.group).unwrap_or_default());
            let is_on_invoice = on_invoices.contains(&posting.group);
            let key = TrueUpKey {
                payer,
                seller,
                department: posting.department.clone(),
                column: posting.column,
                billing: if is_on_invoice {
                    Billing::SealedInvoice
                } else {
                    Billing::NoInvoice
                },
            };
            let stood = Stood {
                usd: posting.billed,
                jpy: posting.amount,
            };
            if is_on_invoice {
                add(sealed.entry(posting.group).or_default(), key.clone(), stood);
            }
            add(&mut locked, key, stood);
        }
        let late = self.late_invoices();
        let mut now = Standing::new();
        let mut now_sealed: BTreeMap<usize, Standing> = BTreeMap::new();
        for entry in self.ledger.entries.iter().filter(|entry| entry.column.is_billed()) {
            let Bill {
                payer, seller, invoice, ..
            } = self.ledger.bills[entry.bill].clone();
            let bill = (payer, seller, invoice.unwrap_or_default());
            let group = groups.get(&bill).filter(|_| late[entry.bill].is_none());
            let (payer, seller, _) = bill;
            let key = TrueUpKey {
                payer,
                seller,
                department: entry.department.clone(),
                column: entry.column,
                billing: match (group, late[entry.bill]) {
                    (Some(_), _) => Billing::SealedInvoice,
                    (None, Some(_)) => Billing::LateInvoice,
                    (None, None) => Billing::NoInvoice,
                },
            };
            let usd = Stood {
                usd: entry.cost,
                jpy: Amount::ZERO,
            };
            let standing = group.map_or(&mut now, |group| now_sealed.entry(*group).or_default());
            add(standing, key, usd);
        }
        for group in on_invoices {
            let sealed = sealed.remove(&group).unwrap_or_default();
            let as_now = now_sealed.remove(&group).unwrap_or_default();
            for (key, stood) in at_the_same_rate(&sealed, &as_now, policy).ok_or(StoreError::TooLarge)? {
                add(&mut now, key, stood);
            }
        }
        self.add_yen_of(&late, policy, planning, &mut now)?;
        Ok(Restated { locked, now, settled })
    }

    /// For each bill its invoice in yen that was recorded after the seal.
    fn late_invoices(&self) -> Vec<Option<(&Invoice, InvoiceTotals)>> {
        let by_id = effective(&self.invoices);
        let sealed = self.head["invoices"].as_array();
        let is_sealed = |invoice: &Invoice| {
            let mut ids = sealed.into_iter().flatten().map(|of| &of["invoice_id"]);
            ids.any(|id| id.as_str() == Some(&invoice.invoice_id))
        };
        let late = self.ledger.bills.iter().map(|bill| {
            let invoice = *bill.invoice.as_deref().and_then(|id| by_id.get(id))?;
            Some((invoice, invoice.totals()?)).filter(|_| !is_sealed(invoice))
        });
        late.collect()
    }

    /// The yen of late invoices: theirs or, at the planning rate, that and the difference to theirs.
    fn add_yen_of(
        &self,
        late: &[Option<(&Invoice, InvoiceTotals)>],
        policy: Ratio,
        planning: Option<Ratio>,
        now: &mut Standing,
    ) -> StoreResult<()> {
        let convert = |rate_of: &dyn Fn(&Invoice, InvoiceTotals) -> BillRate| {
            let rates = late
                .iter()
                .map(|bill| bill.map_or(BillRate::Unknown, |(invoice, totals)| rate_of(invoice, totals)));
            self.ledger
                .convert(&Conversion::Whole(rates.collect()))
                .map_err(|_| StoreError::TooLarge)
        };
        let invoiced = convert(&|invoice, totals| BillRate::Invoice(invoice.invoice_id.clone(), totals, policy))?;
        let charged = match planning {
            Some(planning) => &convert(&|_, _| BillRate::Rate(planning))?,
            None => &invoiced,
        };
        let mut put = |(payer, seller): (String, String), department: Option<String>, column, jpy| {
            let key = TrueUpKey {
                payer,
                seller,
                department,
                column,
                billing: Billing::LateInvoice,
            };
            let usd = Amount::ZERO;
            add(now, key, Stood { usd, jpy });
        };
        for posting in &charged.postings {
            let bill = &self.ledger.bills[charged.groups[posting.group].bills[0]];
            let of_bill = (bill.payer.clone(), bill.seller.clone());
            put(of_bill, posting.department.clone(), posting.column, posting.amount);
        }
        if planning.is_some() {
            let differences = exchange_differences(&self.ledger, &invoiced, charged, self.exchange_receiver.as_deref());
            for (of_bill, postings) in differences {
                for posting in postings {
                    put(of_bill.clone(), posting.department, posting.column, posting.amount);
                }
            }
        }
        Ok(())
    }
}

/// What a sealed group says now: its yen, and those of the dollars that changed, at its own rate, net and tax apart.
fn at_the_same_rate(sealed: &Standing, now: &Standing, policy: Ratio) -> Option<Standing> {
    let keys: BTreeSet<&TrueUpKey> = sealed.keys().chain(now.keys()).collect();
    let mut standing = Standing::new();
    for is_tax in [false, true] {
        let is_part = |key: &&TrueUpKey| (key.column == Column::Tax) == is_tax;
        let own = sealed.iter().filter(|(key, _)| is_part(key));
        let (total, turnover) = own.fold((Stood::default(), 0), |(total, turnover), (_, stood)| {
            (total + *stood, turnover + stood.usd.units().abs())
        });
        let ratio = if cancels(total.usd, turnover) {
            policy
        } else {
            Ratio::of_total(total.jpy.whole()?, total.usd).unwrap_or(policy)
        };
        let keys: Vec<&TrueUpKey> = keys.iter().copied().filter(is_part).collect();
        let of = |standing: &Standing, key: &TrueUpKey| standing.get(key).copied().unwrap_or_default();
        let changed: Vec<Amount> = keys.iter().map(|key| of(now, key).usd - of(sealed, key).usd).collect();
        let yen = changed.iter().copied().sum::<Amount>().to_whole(ratio)?;
        for (key, yen) in keys.iter().zip(convert_parts(yen, &changed, ratio)?) {
            let stood = Stood {
                usd: of(now, key).usd,
                jpy: of(sealed, key).jpy + Amount::from_whole(yen),
            };
            standing.insert((*key).clone(), stood);
        }
    }
    Some(standing)
}
