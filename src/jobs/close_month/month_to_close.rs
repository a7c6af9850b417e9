//! What a close looks at, and what it seals: checks, lines and head of a statement.

use std::collections::BTreeSet;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate};
use serde_json::{Value, json};
use sqlx::PgConnection;

use super::CloseSettings;
use super::estimate::Estimate;
use crate::documents::journal::balance::standing;
use crate::documents::{SealedStatement, names_of_departments};
use crate::domain::accrual::{AccrualError, errors};
use crate::domain::allocation::{AllocationRule, Pool};
use crate::domain::attribution::{Reason, State};
use crate::domain::books::{Column, Entry, LeafAmount, Posting, spread_over_leaves};
use crate::domain::chargeback::{Chargeback, Reporting};
use crate::domain::close::{Check, CloseFacts, MonthState, checks};
use crate::domain::cost_basis::CostBasis;
use crate::domain::coverage::DAY_MISSING;
use crate::domain::cut_off::{CutOff, cut_offs};
use crate::domain::directory::Directory;
use crate::domain::finding::{Finding, Severity};
use crate::domain::invoice::Invoice;
use crate::domain::journal::Mapping;
use crate::domain::money::{Amount, Ratio};
use crate::domain::period::BillingPeriod;
use crate::domain::reconciliation::{Provisional, Step, beside, steps};
use crate::domain::statement::StatementLine;
use crate::store::StoreResult;
use crate::store::accruals::{Accrued, bill_of_accrued_days, find_accrued};
use crate::store::books::{Leaves, MonthBooks, assemble};
use crate::store::cost_bases::{list_net_payers, net_of_other_services};
use crate::store::directory::get_versioned_directory_at;
use crate::store::month::{DeliveryUsed, count_recounts, list_deliveries_used, list_late_hours};
use crate::store::status::{StoredFinding, list_findings};

/// Everything that a close looks at, from one moment.
pub(super) struct MonthToClose {
    period: BillingPeriod,
    pub(super) deliveries: Vec<DeliveryUsed>,
    pub(super) directory: Directory,
    pub(super) directory_version: Option<i32>,
    pub(super) books: MonthBooks,
    recounts: (i64, i64),
    /// What payers that are booked by the net column have of other services less than unblended.
    net_of_other_services: Amount,
    /// Of days that no delivery has yet; a provisional month only.
    estimate: Option<Estimate>,
    /// What an earlier statement of the month accrued, and what the bill says now of those days.
    accrued: Option<(Accrued, Vec<AccrualError>)>,
    cut_offs: Vec<CutOff>,
    findings: Vec<Finding>,
    fiscal_year_start_month: u32,
}

impl MonthToClose {
    pub(super) async fn read(
        connection: &mut PgConnection,
        period: BillingPeriod,
        target: MonthState,
        settings: &CloseSettings,
    ) -> StoreResult<Self> {
        let deliveries = list_deliveries_used(connection, period).await?;
        let (directory, directory_version) = get_versioned_directory_at(connection).await?;
        let reporting = Reporting::Yen(settings.yen);
        let mut books = assemble(connection, period, &directory.departments, reporting, Leaves::Whole).await?;
        let estimate = match target {
            MonthState::Provisional => Estimate::read(connection, period, &deliveries, books.charging).await?,
            _ => None,
        };
        if let Some(estimate) = &estimate {
            books.adjust(estimate.postings.clone());
        }
        let before = match target {
            MonthState::Final => find_accrued(connection, period).await?,
            _ => None,
        };
        let accrued = match before {
            Some(accrued) => {
                let billed = bill_of_accrued_days(connection, period, &accrued).await?;
                let errors = errors(&accrued.by_department, &billed);
                Some((accrued, errors))
            }
            None => None,
        };
        let stored = list_findings(connection, period, period.next(), false).await?;
        // A day that is accrued is no gap any more.
        let is_accrued = |found: &StoredFinding| {
            let delivery = deliveries.iter().find(|used| used.source == found.source);
            let last_day = delivery.and_then(|used| used.last_day);
            let day: Option<NaiveDate> = found.subject.parse().ok().filter(|_| found.code == DAY_MISSING);
            estimate.is_some() && day.zip(last_day).is_some_and(|(day, last)| day > last)
        };
        let mut findings = books.findings.clone();
        findings.extend(stored.into_iter().map(|found| Finding {
            // Stored codes are known by name only; what a check looks for it looks for in the books' own.
            code: "stored",
            severity: if is_accrued(&found) {
                Severity::Info
            } else {
                found.severity
            },
            subject: format!("{} {}", found.code, found.subject),
            message: found.message,
            action: found.action,
            amount: found.amount,
            currency: found.currency,
            lines: found.lines,
        }));
        let late = list_late_hours(connection, period).await?;
        let cut_offs = cut_offs(period, &directory, settings.fiscal_year_start_month, &late);
        let net_payers = list_net_payers(connection, period).await?;
        Ok(Self {
            period,
            deliveries,
            directory,
            directory_version,
            recounts: count_recounts(connection, period).await?,
            net_of_other_services: net_of_other_services(connection, period, &net_payers).await?,
            books,
            estimate,
            accrued,
            cut_offs,
            findings,
            fiscal_year_start_month: settings.fiscal_year_start_month,
        })
    }

    pub(super) fn checks(&self, target: MonthState, settings: &CloseSettings) -> Vec<Check> {
        let converted = &self.books.converted;
        let month = Chargeback::by_department(self.period, &converted.postings);
        let last_day = self.deliveries.iter().filter_map(|used| used.last_day).min();
        let days_missing = self
            .period
            .days()
            .iter()
            .filter(|day| last_day.is_none_or(|last| *day > last))
            .count();
        checks(&CloseFacts {
            target,
            recounts_missing: self.recounts.0,
            recounts_unequal: self.recounts.1,
            quarantined: self.quarantined(),
            quarantine_max: settings.quarantine_max,
            days_missing,
            accrued: self.estimate.as_ref().map(|estimate| estimate.total()),
            without_invoice: self.without_invoice(),
            unconverted: &converted.unconverted,
            unmapped: &self.unmapped(&month, &settings.journal.mappings),
            missing_from_books: self.missing_from_books(),
            decided_by_another_directory: self
                .deliveries
                .iter()
                .any(|used| used.directory_version != self.directory_version),
            journal: standing(&self.as_sealed(target, settings), &settings.journal),
            findings: &self.findings,
        })
    }

    /// The statement by department, as it would be sealed: what its journals are made of.
    fn as_sealed(&self, target: MonthState, settings: &CloseSettings) -> SealedStatement {
        SealedStatement {
            period: self.period,
            version: 0,
            state: target,
            sealed_at: DateTime::UNIX_EPOCH,
            prepared_by: String::new(),
            digest: String::new(),
            head: self.head(&[], settings),
            lines: self
                .books
                .converted
                .postings
                .iter()
                .map(|posting| self.line_of_posting(posting))
                .collect(),
            departments: names_of_departments(&self.directory, self.period),
            people: BTreeMap::new(),
        }
    }

    /// Yen of usage that nobody has decided, before rules divide it: a rule for shared cost is no decision about a caller.  What a
    /// shared principal leaves is nobody's by its nature; where a rule has it, it is decided.
    fn quarantined(&self) -> Amount {
        let (ledger, converted) = (&self.books.ledger, &self.books.converted);
        let reason_of = |entry: &&Entry| match &entry.pool {
            Some(Pool::Unattributed(reason) | Pool::Feature(reason) | Pool::Capacity(reason)) => Some(*reason),
            _ => None,
        };
        let is_undecided = |entry: &&Entry| {
            reason_of(entry).is_some_and(|reason| {
                let is_shared_by_rule = reason == Reason::SharedPrincipal && entry.department.is_some();
                reason.state() == State::Quarantined && !is_shared_by_rule
            })
        };
        let undecided = ledger.entries.iter().filter(is_undecided).map(|entry| {
            let group = converted.groups.iter().find(|group| group.bills.contains(&entry.bill));
            group
                .and_then(|group| group.exact(entry.column, entry.cost))
                .unwrap_or(entry.cost)
        });
        let exact: Amount = undecided.sum();
        exact.to_whole(Ratio::ONE).map_or(exact, Amount::from_whole)
    }

    /// Yen of bills that carry no invoice yet; of a group that holds others too, their part of it.
    fn without_invoice(&self) -> Amount {
        let (ledger, converted) = (&self.books.ledger, &self.books.converted);
        let has_none = |bill: usize| ledger.bills[bill].invoice.is_none();
        let groups = converted.groups.iter().enumerate().map(|(nth, group)| {
            if group.bills.iter().all(|bill| has_none(*bill)) {
                let postings = converted.postings.iter();
                let billed = postings.filter(|posting| posting.group == nth && posting.column.is_billed());
                return billed.map(|posting| posting.amount).sum();
            }
            let entries = ledger.entries.iter().filter(|entry| group.bills.contains(&entry.bill));
            let without = entries.filter(|entry| entry.column.is_billed() && has_none(entry.bill));
            let exact: Amount = without
                .map(|entry| group.exact(entry.column, entry.cost).unwrap_or(entry.cost))
                .sum();
            // Rounded once, for people: what hangs on a check is no posting.
            exact.to_whole(Ratio::ONE).map_or(exact, Amount::from_whole)
        });
        groups.sum()
    }

    /// Charged departments that an accounting system does not know; without mappings, those without a cost centre.
    fn unmapped(&self, month: &Chargeback, mappings: &[Mapping]) -> Vec<(String, String, Amount)> {
        let systems: BTreeSet<&str> = mappings.iter().map(|mapping| mapping.system.as_str()).collect();
        let days = self.period.days();
        let mut unmapped = Vec::new();
        for row in &month.rows {
            let Some(code) = &row.code else { continue };
            let has_cost_center = self
                .directory
                .departments
                .iter()
                .any(|known| known.code == *code && known.valid.from < days.to && !known.cost_center.is_empty());
            if systems.is_empty() && !has_cost_center {
                unmapped.push(("the directory (cost centre)".to_owned(), code.clone(), row.total()));
            }
            for system in &systems {
                let is_mapped = |mapping: &Mapping| mapping.system == *system && mapping.department == *code;
                if !mappings.iter().any(is_mapped) {
                    unmapped.push(((*system).to_owned(), code.clone(), row.total()));
                }
            }
        }
        unmapped
    }

    /// What the deliveries bill and the books do not have, Bedrock's lines and the others.
    fn missing_from_books(&self) -> (Amount, Amount) {
        let ledger = &self.books.ledger;
        let billed = ledger.entries.iter().filter(|entry| entry.column.is_billed());
        let booked: Amount = billed.map(|entry| entry.cost).sum();
        let others: Amount = ledger.other_services.iter().map(|other| other.cost).sum();
        // Deliveries are counted unblended; a payer that is booked by the net column is off them by what both come to.
        let on_net = self.books.bases.iter().filter(|(basis, _)| *basis == CostBasis::Net);
        let net: Amount = on_net.map(|(_, measures)| measures.net_cost - measures.cost).sum();
        let delivered: Amount = self.deliveries.iter().map(|used| used.cost).sum::<Amount>() + net;
        let left_out: Amount =
            self.deliveries.iter().map(|used| used.left_out_cost).sum::<Amount>() + self.net_of_other_services;
        (delivered - booked, left_out - others)
    }

    /// The lines of the statement: leaves of departments, and what is kept visible.
    pub(super) fn lines(&self) -> anyhow::Result<Vec<StatementLine>> {
        let (ledger, converted) = (&self.books.ledger, &self.books.converted);
        let currency_of = |group: usize| self.currency_of(group);
        let leaves = spread_over_leaves(ledger, converted, &self.books.leaves)?;
        let own = leaves.into_iter().filter(|leaf| leaf.column.is_billed());
        let mut lines: Vec<StatementLine> = own.map(|leaf| line_of(leaf, &currency_of)).collect();
        let is_named = |posting: &&Posting| posting.department.is_none() || !posting.column.is_billed();
        let named = converted.postings.iter().filter(is_named);
        lines.extend(named.map(|posting| self.line_of_posting(posting)));
        let total: Amount = lines.iter().map(|line| line.amount).sum();
        assert_eq!(total, converted.total(), "the lines of a statement add up to it");
        Ok(lines)
    }

    fn currency_of(&self, group: usize) -> String {
        let bills = &self.books.converted.groups[group].bills;
        let bill = bills
            .first()
            .map(|bill| self.books.ledger.bills[*bill].currency.clone());
        // Adjustments come from dollars.
        bill.unwrap_or_else(|| "USD".to_owned())
    }

    fn line_of_posting(&self, posting: &Posting) -> StatementLine {
        StatementLine {
            bill_group: posting.group,
            column: posting.column,
            department: posting.department.clone(),
            pool: posting.pool.clone(),
            person: None,
            model: None,
            project: None,
            currency: self.currency_of(posting.group),
            billed: posting.billed,
            amount: posting.amount,
            lines: posting.lines,
            tokens: posting.tokens,
        }
    }

    /// What was taken over of locked months, and why.
    fn adjustments(&self) -> Vec<Value> {
        let fiscal_year = |period: BillingPeriod| {
            let first = period.first_day();
            let is_before_start = chrono::Datelike::month(&first) < self.fiscal_year_start_month;
            chrono::Datelike::year(&first) - i32::from(is_before_start)
        };
        let crosses = |origin: BillingPeriod| fiscal_year(origin) != fiscal_year(self.period);
        let taken = &self.books.taken_over;
        let true_ups = taken.true_ups.iter().map(|line| {
            json!({
                "kind": "true_up",
                "origin": line.origin.to_string(),
                "column": line.key.column.as_str(),
                "department_then": line.key.department,
                "department": line.department,
                "usd": line.usd.to_string(),
                "jpy": line.jpy.to_string(),
                "crosses_fiscal_year": crosses(line.origin),
                "because": line.key.billing.because(),
            })
        });
        let reclasses = taken.reclasses.iter().map(|reclass| {
            json!({
                "kind": "reclass",
                "origin": reclass.origin.to_string(),
                "from": reclass.from_department,
                "to": reclass.to_department,
                "jpy": reclass.jpy.to_string(),
                "crosses_fiscal_year": crosses(reclass.origin),
                "because": reclass.reason,
                "approved_by": reclass.approved_by,
            })
        });
        let manual = self.books.manual.iter().map(|pool| {
            json!({
                "kind": "manual",
                "name": pool.name,
                "jpy": pool.jpy.to_string(),
                "because": pool.reason,
                "recorded_by": pool.recorded_by,
            })
        });
        let differences = self
            .books
            .converted
            .postings
            .iter()
            .filter(|posting| matches!(posting.pool, Some(Pool::ExchangeDifference(_))))
            .map(|posting| {
                json!({
                    "kind": "exchange_difference",
                    "department": posting.department,
                    "pool": posting.pool.as_ref().map(ToString::to_string),
                    "jpy": posting.amount.to_string(),
                    "because": "what the invoices come to, less the planning rate",
                })
            });
        true_ups.chain(reclasses).chain(manual).chain(differences).collect()
    }

    /// By which column the month is booked, payers that differ by name.
    fn cost_basis(&self) -> String {
        let bases = &self.books.bases;
        match bases.first() {
            Some((first, _)) if bases.iter().any(|(basis, _)| basis != first) => {
                let of_payers = bases
                    .iter()
                    .map(|(basis, of)| format!("{}: {}", of.payer, basis.words()));
                of_payers.collect::<Vec<_>>().join("; ")
            }
            first => first
                .map_or(CostBasis::Unblended, |(basis, _)| *basis)
                .words()
                .to_owned(),
        }
    }

    fn steps(&self) -> Vec<Step> {
        let (ledger, invoiced) = (&self.books.ledger, self.books.reconciled());
        let mut all = steps(ledger, invoiced, &self.books.converted, &self.books.invoices);
        let before = self.accrued.as_ref().map(|(accrued, _)| Provisional {
            accrued_usd: accrued.usd,
            accrued_jpy: accrued.jpy,
            billed: accrued.billed,
        });
        let by = (self.books.invoices.as_slice(), self.books.policy);
        all.extend(beside(ledger, invoiced, by, before));
        all
    }

    /// How far what was accrued is from the bill.
    fn accrual_errors(&self) -> Vec<Value> {
        let errors = self.accrued.iter().flat_map(|(accrued, errors)| {
            errors.iter().map(|error| {
                json!({
                    "statement": accrued.version,
                    "department": error.department,
                    "estimated_usd": error.estimated.to_string(),
                    "billed_usd": error.billed.to_string(),
                    "difference_usd": error.difference().to_string(),
                })
            })
        });
        errors.collect()
    }

    /// Everything of the statement but its lines.
    pub(super) fn head(&self, checks: &[Check], settings: &CloseSettings) -> Value {
        let converted = &self.books.converted;
        let groups = converted.groups.iter().map(|group| {
            let bills: Vec<Value> = group.bills.iter().map(|bill| &self.books.ledger.bills[*bill]).map(|bill| {
                json!({"payer": bill.payer, "seller": bill.seller, "invoice": bill.invoice, "currency": bill.currency})
            }).collect();
            json!({
                "bills": bills,
                "invoice": group.invoice,
                "rate": ratio_of(group.ratio(Column::Direct)),
                "tax_rate": ratio_of(group.ratio(Column::Tax)),
                "total": group.total.to_string(),
                "other_services": group.other_services.to_string(),
                "other_tax": group.other_tax.to_string(),
            })
        });
        let rates = self.books.rates.iter().map(|rate| {
            json!({
                "value": rate.value.map(|value| value.to_string()),
                "kind": rate.kind,
                "date": rate.date,
                "source": rate.source,
                "invoice": rate.invoice,
            })
        });
        let deliveries = self.deliveries.iter().map(|used| {
            json!({
                "source": used.source,
                "location": used.location,
                "manifest": used.manifest,
                "version": used.digest,
                "files": used.files,
                "delivered_at": used.delivered_at.to_rfc3339(),
                "lines_read": used.lines_read,
                "lines_kept": used.lines_kept,
                "first_day": used.first_day,
                "last_day": used.last_day,
                "cost": used.cost.to_string(),
                "other_services_cost": used.left_out_cost.to_string(),
            })
        });
        let steps = self.steps();
        let steps = steps.iter().map(|step| {
            json!({"step": step.name.as_str(), "invoice": step.invoice, "usd": step.usd.to_string(), "jpy": step.jpy.to_string()})
        });
        let findings = self.findings.iter().map(|found| {
            json!({
                "subject": found.subject,
                "severity": found.severity.as_str(),
                "message": found.message,
                "amount": found.amount.map(|amount| amount.to_string()),
                "currency": found.currency,
            })
        });
        json!({
            "currency": "JPY",
            "cost_basis": self.cost_basis(),
            "cost_bases": self.books.bases.iter().map(|(basis, of)| json!({
                "payer": of.payer,
                "basis": basis.as_str(),
                "unblended_with_discounts": of.cost.to_string(),
                "net": of.has_net().then(|| of.net_cost.to_string()),
                "lines_without_net": of.lines_without_net,
            })).collect::<Vec<_>>(),
            "days_are": "UTC, as AWS bills them",
            "utc_cut_off": self.cut_offs.iter().map(|cut| json!({
                "last_nine_hours_of": cut.day.to_string(),
                "before": cut.before,
                "usd": cut.usd.map(|usd| usd.to_string()),
            })).collect::<Vec<_>>(),
            "data_as_of": self.deliveries.iter().map(|used| used.delivered_at).min().map(|at| at.to_rfc3339()),
            "directory_version": self.directory_version,
            "allocation_version": self.books.allocation_version,
            "allocation_rules": self.books.rules.iter().filter(|rule| rule.holds_in(self.period)).map(rule_of).collect::<Vec<_>>(),
            "rates": rates.collect::<Vec<_>>(),
            "invoices": self.books.invoices.iter().map(invoice_of).collect::<Vec<_>>(),
            "groups": groups.collect::<Vec<_>>(),
            "deliveries": deliveries.collect::<Vec<_>>(),
            "reconciliation": steps.collect::<Vec<_>>(),
            "checks": checks.iter().map(check_of).collect::<Vec<_>>(),
            "findings": findings.collect::<Vec<_>>(),
            "adjustments": self.adjustments(),
            "accruals": self.estimate.as_ref().map(Estimate::of_head),
            "accrual_errors": self.accrual_errors(),
            "charged_at": settings.yen.charged_at,
            "charging_rate": ratio_of(Some(self.books.charging)),
            "two_person": settings.two_person,
            "attribution": settings.attribution,
        })
    }
}

/// A ratio exactly: so many yen for so many dollars.
fn ratio_of(ratio: Option<Ratio>) -> Option<Value> {
    let (jpy, usd) = ratio?.as_total();
    Some(json!({"jpy": jpy.to_string(), "usd": usd.to_string()}))
}

fn line_of(leaf: LeafAmount, currency_of: &impl Fn(usize) -> String) -> StatementLine {
    StatementLine {
        currency: currency_of(leaf.group),
        bill_group: leaf.group,
        column: leaf.column,
        department: Some(leaf.department),
        pool: None,
        person: leaf.person,
        model: leaf.model,
        project: leaf.project,
        billed: leaf.billed,
        amount: leaf.amount,
        lines: leaf.lines,
        tokens: leaf.tokens,
    }
}

fn rule_of(rule: &AllocationRule) -> Value {
    json!({
        "pool": rule.pool,
        "method": rule.method.name(),
        "members": rule.method.members(),
        "fallback": rule.fallback,
        "legal_entity": rule.legal_entity,
        "valid_from": rule.valid_from.to_string(),
        "valid_to": rule.valid_to.map(|to| to.to_string()),
    })
}

fn invoice_of(invoice: &Invoice) -> Value {
    let taxes = invoice.taxes.iter().map(|tax| {
        json!({"rate": tax.rate.to_string(), "usd": tax.usd.to_string(), "jpy": tax.jpy.map(|yen| yen.to_string())})
    });
    json!({
        "invoice_id": invoice.invoice_id,
        "payer": invoice.payer,
        "seller": invoice.seller,
        "registration_number": invoice.registration_number,
        "kind": invoice.kind.as_str(),
        "corrects": invoice.corrects,
        "issue_date": invoice.issue_date,
        "currency": invoice.currency,
        "net_usd": invoice.net_usd.to_string(),
        "net_jpy": invoice.net_jpy.map(|yen| yen.to_string()),
        "printed_rate": invoice.printed_rate.map(|rate| rate.to_string()),
        "treatment": invoice.treatment.as_str(),
        "taxes": taxes.collect::<Vec<_>>(),
        "file_sha256": invoice.file_sha256,
    })
}

fn check_of(check: &Check) -> Value {
    json!({
        "check": check.name,
        "hard": check.is_hard,
        "passed": check.passed,
        "amount": check.amount.to_string(),
        "currency": check.currency,
        "message": check.message,
        "waived": check.waived,
    })
}
