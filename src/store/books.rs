//! What a month's books are made from.

mod leaves;

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use sqlx::PgConnection;

use self::leaves::{Month, list_leaves, list_people, list_projects};
use super::allocation::{find_version, list_rules};
use super::cost_bases::{compare_bases, list_bases, list_net_payers};
use super::invoices::list_invoices;
use super::manual_pools::{StoredManualPool, list_manual_pools};
use super::rates::read_rate_book;
use super::true_ups::{TakenOver, take_over};
use super::{StoreError, StoreResult};
use crate::domain::allocation::AllocationRule;
use crate::domain::attribution::Reason;
use crate::domain::books::{
    Bill, ChargeSum, Conversion, Converted, LeafSum, Ledger, ManualPool, MonthFacts, OtherServices, Posting,
    UsageOfDay, exchange_difference_receiver, exchange_differences,
};
use crate::domain::charge::ChargeClass;
use crate::domain::chargeback::Reporting;
use crate::domain::cost_basis::{self, BothMeasures, CostBasis, basis_in};
use crate::domain::directory::{Department, departments_in};
use crate::domain::finding::Finding;
use crate::domain::invoice::{BilledTotals, Invoice, RateOfBill, compare_invoices, odd_rates, yen_of};
use crate::domain::money::{Amount, Ratio};
use crate::domain::period::BillingPeriod;
use crate::domain::rate::{ChargebackRate, nobody_said};
use crate::domain::usage_type::LineKind;

fn amount(value: Decimal) -> StoreResult<Amount> {
    Amount::from_decimal(value).ok_or(StoreError::TooLarge)
}

/// Bills by what they are, each with its position.
#[derive(Default)]
struct Bills(BTreeMap<Bill, usize>);

impl Bills {
    fn position(&mut self, payer: String, seller: String, invoice: Option<String>, currency: String) -> usize {
        let next = self.0.len();
        let bill = Bill {
            payer,
            seller,
            invoice: invoice.filter(|id| !id.is_empty()),
            currency,
        };
        *self.0.entry(bill).or_insert(next)
    }

    fn into_list(self) -> Vec<Bill> {
        let mut bills: Vec<(usize, Bill)> = self.0.into_iter().map(|(bill, at)| (at, bill)).collect();
        bills.sort_by_key(|(at, _)| *at);
        bills.into_iter().map(|(_, bill)| bill).collect()
    }
}

/// The facts of a month, and its leaves where they are asked for.
pub struct MonthRead {
    pub facts: MonthFacts,
    pub leaves: Vec<LeafSum>,
}

/// A month's books as they stand now: by the rules, rates and invoices that hold.
pub struct MonthBooks {
    pub ledger: Ledger,
    /// What departments are charged.
    pub converted: Converted,
    /// What the invoices come to, where departments are charged at the planning rate.
    pub invoiced: Option<Converted>,
    pub leaves: Vec<LeafSum>,
    pub rates: Vec<RateOfBill>,
    /// Yen for a dollar that no invoice bills.
    pub policy: Ratio,
    /// Yen for a dollar that departments are charged before there is an invoice: the policy's, or the planning rate.
    pub charging: Ratio,
    pub rules: Vec<AllocationRule>,
    pub allocation_version: Option<i32>,
    pub invoices: Vec<Invoice>,
    pub taken_over: TakenOver,
    pub manual: Vec<StoredManualPool>,
    /// By which column each payer is booked, and what both come to.
    pub bases: Vec<(CostBasis, BothMeasures)>,
    pub findings: Vec<Finding>,
}

impl MonthBooks {
    /// Adds amounts that no line of the bill is behind, by payer and seller.
    pub fn adjust(&mut self, by_bill: BTreeMap<(String, String), Vec<Posting>>) {
        for ((payer, seller), postings) in by_bill {
            self.ledger.bills.push(Bill {
                payer,
                seller,
                invoice: None,
                currency: "USD".to_owned(),
            });
            self.converted.adjust(self.ledger.bills.len() - 1, postings);
        }
    }

    /// What the month's invoices are reconciled with.
    pub fn reconciled(&self) -> &Converted {
        self.invoiced.as_ref().unwrap_or(&self.converted)
    }
}

/// Makes a month's books.  The caller's transaction makes it one moment.
pub async fn assemble(
    connection: &mut PgConnection,
    period: BillingPeriod,
    departments: &[Department],
    reporting: Reporting,
    leaves: Leaves,
) -> StoreResult<MonthBooks> {
    let version = find_version(connection).await?;
    let rules = list_rules(connection, version).await?;
    assemble_by(connection, period, departments, reporting, leaves, (rules, version)).await
}

/// The same by rules of the caller's: those of a preview, or of a sealed month.
pub async fn assemble_by(
    connection: &mut PgConnection,
    period: BillingPeriod,
    departments: &[Department],
    reporting: Reporting,
    leaves: Leaves,
    (rules, allocation_version): (Vec<AllocationRule>, Option<i32>),
) -> StoreResult<MonthBooks> {
    let mut read = read_month(connection, period, departments, leaves).await?;
    let manual = list_manual_pools(connection, Some(period)).await?;
    read.facts.add_manual(&manual);
    let ledger = Ledger::build(period, &read.facts, &rules);
    let invoices = list_invoices(connection, Some(period)).await?;
    let mut findings = ledger.findings.clone();
    findings.extend(compare_invoices(period, &invoices, &billed_by_invoice(&ledger)));
    let bases = list_bases(connection).await?;
    let measures = compare_bases(connection, period).await?;
    let basis_of = |measures: &BothMeasures| basis_in(&bases, &measures.payer, period);
    findings.extend(measures.iter().flat_map(|of| cost_basis::findings(of, basis_of(of))));
    let bases = measures.into_iter().map(|of| (basis_of(&of), of)).collect();
    let (mut policy_rate, mut charging) = (Ratio::ONE, Ratio::ONE);
    let mut planned = None;
    let mut rate_book = None;
    let (conversion, rates) = match reporting {
        Reporting::AsBilled | Reporting::Cents => (Conversion::AsBilled("USD"), Vec::new()),
        Reporting::Yen(yen) => {
            let book = rate_book.insert(read_rate_book(connection, yen).await?);
            let (policy, missing) = book.resolve(period);
            findings.extend(missing);
            policy_rate = Ratio::of_rate(policy.value).ok_or(StoreError::TooLarge)?;
            charging = policy_rate;
            // A rate that nobody recorded says nothing about an invoice.
            findings.extend(policy.date.map(|_| odd_rates(&invoices, &policy)).into_iter().flatten());
            match yen.charged_at {
                ChargebackRate::Invoice => yen_of(&ledger.bills, &invoices, &policy, &policy),
                ChargebackRate::Planning => {
                    let planning = book.planning(period);
                    charging = Ratio::of_rate(planning.value).ok_or(StoreError::TooLarge)?;
                    findings.extend(planning.date.is_none().then(|| nobody_said(period)));
                    planned = Some(yen_of(&ledger.bills, &[], &planning, &planning).0);
                    yen_of(&ledger.bills, &invoices, &policy, &planning)
                }
            }
        }
    };
    let convert = |conversion| ledger.convert(conversion).map_err(|_| StoreError::TooLarge);
    let (invoiced, converted) = match &planned {
        Some(planned) => (Some(convert(&conversion)?), convert(planned)?),
        None => (None, convert(&conversion)?),
    };
    let taken_over = take_over(
        connection,
        period,
        &read.facts.departments,
        policy_rate,
        rate_book.as_ref(),
    )
    .await?;
    let mut books = MonthBooks {
        ledger,
        converted,
        invoiced,
        leaves: read.leaves,
        rates,
        policy: policy_rate,
        charging,
        rules,
        allocation_version,
        invoices,
        taken_over,
        manual,
        bases,
        findings,
    };
    if let Some(invoiced) = &books.invoiced {
        let receiver = exchange_difference_receiver(&books.rules, period, &read.facts.departments);
        let differences = exchange_differences(&books.ledger, invoiced, &books.converted, receiver);
        books.adjust(differences);
    }
    books.adjust(books.taken_over.postings(matches!(reporting, Reporting::Yen(_))));
    Ok(books)
}

/// What the lines of each invoice sum to, other services included.
pub fn billed_by_invoice(ledger: &Ledger) -> BTreeMap<String, BilledTotals> {
    let mut totals: BTreeMap<String, BilledTotals> = BTreeMap::new();
    let own = ledger.entries.iter().map(|entry| {
        (
            entry.bill,
            entry.column == crate::domain::books::Column::Tax,
            entry.cost,
        )
    });
    let others = ledger
        .other_services
        .iter()
        .map(|other| (other.bill, other.is_tax, other.cost));
    for (bill, is_tax, cost) in own.chain(others) {
        if let Some(id) = &ledger.bills[bill].invoice {
            let sums = totals.entry(id.clone()).or_default();
            *(if is_tax { &mut sums.tax } else { &mut sums.net }) += cost;
        }
    }
    totals
}

impl MonthFacts {
    /// Puts what finance added by hand on bills of its own, in yen.
    fn add_manual(&mut self, pools: &[StoredManualPool]) {
        for pool in pools {
            // It is booked with what its payer pays AWS.
            let of_payer = self.bills.iter().find(|bill| bill.payer == pool.payer);
            let seller = of_payer.map(|bill| bill.seller.clone()).unwrap_or_default();
            self.bills.push(Bill {
                payer: pool.payer.clone(),
                seller,
                invoice: None,
                currency: "JPY".to_owned(),
            });
            self.manual.push(ManualPool {
                bill: self.bills.len() - 1,
                name: pool.name.clone(),
                cost: pool.jpy,
            });
        }
    }
}

/// How fine the leaves of a month are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaves {
    None,
    People,
    /// Models only of people who use for several projects: whoever has one has it with all models.
    Projects,
    Whole,
}

/// Reads a month.  The caller's transaction makes it one moment.
pub async fn read_month(
    connection: &mut PgConnection,
    period: BillingPeriod,
    departments: &[Department],
    leaves: Leaves,
) -> StoreResult<MonthRead> {
    let mut bills = Bills::default();
    let net_payers = list_net_payers(connection, period).await?;
    let rows = sqlx::query_file!("queries/books/sum_charges.sql", period.first_day(), &net_payers)
        .fetch_all(&mut *connection)
        .await?;
    let mut sums = Vec::with_capacity(rows.len());
    for row in rows {
        sums.push(ChargeSum {
            bill: bills.position(row.payer, row.seller, row.invoice, row.currency),
            account: row.account,
            product: row.product_code,
            class: ChargeClass::parse(&row.charge_class).unwrap_or(ChargeClass::Other),
            charge_type: row.charge_type,
            line_kind: LineKind::parse(&row.line_kind).unwrap_or(LineKind::Unknown),
            token: row.token,
            reason: row.reason.as_deref().and_then(Reason::parse),
            department: row.department,
            day: row.usage_date,
            lines: row.lines,
            tokens: row.tokens,
            cost: amount(row.cost)?,
        });
    }
    let rows = sqlx::query_file!("queries/books/sum_account_days.sql", period.first_day(), &net_payers)
        .fetch_all(&mut *connection)
        .await?;
    let mut usage_of_days = Vec::with_capacity(rows.len());
    for row in rows {
        usage_of_days.push(UsageOfDay {
            payer: row.payer,
            account: row.account,
            product: row.product_code,
            day: row.usage_date,
            department: row.department,
            cost: amount(row.cost)?,
        });
    }
    let rows = sqlx::query_file!("queries/books/sum_other_services.sql", period.first_day(), &net_payers)
        .fetch_all(&mut *connection)
        .await?;
    let mut other_services = Vec::with_capacity(rows.len());
    for row in rows {
        other_services.push(OtherServices {
            bill: bills.position(row.payer, row.seller, row.invoice, row.currency),
            is_tax: row.is_tax,
            lines: row.lines,
            cost: amount(row.cost)?,
        });
    }
    let month = Month { period, net_payers };
    let read = match leaves {
        Leaves::None => Vec::new(),
        Leaves::People => list_people(connection, &month, &mut bills).await?,
        Leaves::Projects => list_projects(connection, &month, &mut bills).await?,
        Leaves::Whole => list_leaves(connection, &month, None, &mut bills).await?,
    };
    let facts = MonthFacts {
        bills: bills.into_list(),
        sums,
        usage_of_days,
        other_services,
        manual: Vec::new(),
        departments: departments_in(departments, period),
    };
    Ok(MonthRead { facts, leaves: read })
}
