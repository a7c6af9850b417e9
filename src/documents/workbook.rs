//! The chargeback as an Excel workbook: departments, models, journal, and what the figures rest on; people only where asked.

use chrono::{Datelike, NaiveDate};
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Format, FormatAlign, Workbook, Worksheet, XlsxError};

use super::journal::Journal;
use super::words::{japanese_slip, japanese_step, japanese_word};
use super::{Language, SealedStatement, tax_rate};
use crate::domain::books::Column;
use crate::domain::chargeback::{Chargeback, GroupBy};
use crate::domain::close::MonthState;
use crate::domain::money::Amount;
use crate::domain::reconciliation::StepName;

/// The largest integer up to which every integer is a double of its own.
const EXACT_MAX: i128 = 9_007_199_254_740_992;

/// Letters that a cell may have.
const CELL_MAX: usize = 32_000;

/// Red, with a triangle, as finance in Japan writes what is below zero.
const YEN: &str = "\"¥\"#,##0;[Red]\"▲¥\"#,##0";

/// What goes into a workbook besides the statement.
#[derive(Debug, Clone, Default)]
pub struct WorkbookParts {
    pub journals: Vec<Journal>,
    /// Somebody entitled asked for people, which is noted.
    pub with_people: bool,
}

/// Dollars as billed: at least cents.
const DOLLARS: &str = "#,##0.00##########;[Red]\"▲\"#,##0.00##########";
/// More digits than a double holds.
const DIGITS_MAX: usize = 15;

struct Formats {
    header: Format,
    text: Format,
    yen: Format,
    dollars: Format,
    date: Format,
    note: Format,
}

impl Formats {
    fn new() -> Self {
        Self {
            header: Format::new()
                .set_bold()
                .set_align(FormatAlign::Center)
                .set_background_color(0x00E8_EEF4),
            text: Format::new().set_num_format("@"),
            yen: Format::new().set_num_format(YEN),
            dollars: Format::new().set_num_format(DOLLARS),
            date: Format::new().set_num_format("yyyy-mm-dd"),
            note: Format::new().set_italic(),
        }
    }
}

/// Makes the workbook.
pub fn workbook(statement: &SealedStatement, parts: &WorkbookParts, language: Language) -> Result<Vec<u8>, XlsxError> {
    let formats = Formats::new();
    let mut book = Workbook::new();
    let sealed = statement.sealed_at;
    let created = ExcelDateTime::from_timestamp(sealed.timestamp())?;
    let title = format!("anbun {} v{}", statement.period, statement.version);
    book.set_properties(&DocProperties::new().set_title(&title).set_creation_datetime(&created));
    departments(book.add_worksheet(), statement, language, &formats)?;
    models(book.add_worksheet(), statement, language, &formats)?;
    if parts.with_people {
        people(book.add_worksheet(), statement, language, &formats)?;
    }
    journal(book.add_worksheet(), parts, language, &formats)?;
    assumptions(book.add_worksheet(), statement, parts, language, &formats)?;
    book.save_to_buffer()
}

/// Writes rows under a header, frozen and with a filter.
struct Sheet<'w> {
    sheet: &'w mut Worksheet,
    formats: &'w Formats,
    row: u32,
}

impl<'w> Sheet<'w> {
    fn begin(sheet: &'w mut Worksheet, name: &str, header: &[&str], formats: &'w Formats) -> Result<Self, XlsxError> {
        sheet.set_name(name)?;
        for (column, text) in (0_u16..).zip(header) {
            sheet.write_string_with_format(0, column, *text, &formats.header)?;
            sheet.set_column_width(column, if column < 3 { 22.0 } else { 14.0 })?;
        }
        sheet.set_freeze_panes(1, 0)?;
        Ok(Self { sheet, formats, row: 1 })
    }

    /// Texts, then amounts.
    fn push(&mut self, texts: &[&str], amounts: &[Amount]) -> Result<(), XlsxError> {
        let mut column = 0_u16;
        for text in texts {
            let text: String = text.chars().take(CELL_MAX).collect();
            // Codes keep their leading zeros, and nothing is a formula.
            self.sheet
                .write_string_with_format(self.row, column, text, &self.formats.text)?;
            column += 1;
        }
        for amount in amounts {
            self.put(column, *amount)?;
            column += 1;
        }
        self.row += 1;
        Ok(())
    }

    fn put(&mut self, column: u16, amount: Amount) -> Result<(), XlsxError> {
        match amount.whole().filter(|whole| whole.abs() <= EXACT_MAX) {
            Some(whole) => {
                #[expect(clippy::cast_precision_loss, reason = "every integer up to 2^53 is a double")]
                let number = whole as f64;
                self.sheet
                    .write_number_with_format(self.row, column, number, &self.formats.yen)?;
            }
            None => {
                self.sheet
                    .write_string_with_format(self.row, column, amount.to_string(), &self.formats.text)?;
            }
        }
        Ok(())
    }

    /// Dollars in the row that was pushed last, in the place of their text; with more digits than a number keeps they stay text.
    fn put_dollars(&mut self, column: u16, text: &str) -> Result<(), XlsxError> {
        let digits = text.bytes().filter(u8::is_ascii_digit).count();
        if let Some(number) = text.parse::<f64>().ok().filter(|_| digits <= DIGITS_MAX) {
            self.sheet
                .write_number_with_format(self.row - 1, column, number, &self.formats.dollars)?;
        }
        Ok(())
    }

    /// A day in the row that was pushed last.
    fn put_date(&mut self, column: u16, day: NaiveDate) -> Result<(), XlsxError> {
        let year = u16::try_from(day.year()).unwrap_or_default();
        let (month, day) = (day.month(), day.day());
        let [month, day] = [month, day].map(|part| u8::try_from(part).unwrap_or_default());
        let date = ExcelDateTime::from_ymd(year, month, day)?;
        self.sheet
            .write_datetime_with_format(self.row - 1, column, &date, &self.formats.date)?;
        Ok(())
    }

    fn filter(self, columns: usize) -> Result<(), XlsxError> {
        let last = u16::try_from(columns.saturating_sub(1)).unwrap_or(u16::MAX);
        self.sheet.autofilter(0, 0, self.row.saturating_sub(1).max(1), last)?;
        Ok(())
    }
}

fn amount_headers(language: Language) -> Vec<&'static str> {
    let mut headers: Vec<&str> = Column::ALL.map(|column| language.column(column)).to_vec();
    headers.push(language.choose("合計", "total"));
    headers
}

fn departments(
    sheet: &mut Worksheet,
    statement: &SealedStatement,
    language: Language,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let month = statement.chargeback(GroupBy::Department);
    let mut header = vec![
        language.choose("部門コード", "code"),
        language.choose("部門名", "name"),
        language.choose("原価センタ", "cost centre"),
        language.choose("会社", "legal entity"),
    ];
    header.extend(amount_headers(language));
    let mut rows = Sheet::begin(sheet, language.choose("部門別", "departments"), &header, formats)?;
    for row in &month.rows {
        let code = row.code.clone().unwrap_or_default();
        let names = statement.names_of(&code);
        let mut amounts = Column::ALL.map(|column| row.column(column)).to_vec();
        amounts.push(row.total());
        rows.push(
            &[&code, names.shown(), &names.cost_center, &names.legal_entity],
            &amounts,
        )?;
    }
    for kept in &month.kept {
        let label = language.choose("(未配賦)", "(kept visible)");
        let mut amounts = Column::ALL
            .map(|column| {
                if column == kept.column {
                    kept.amount
                } else {
                    Amount::ZERO
                }
            })
            .to_vec();
        amounts.push(kept.amount);
        rows.push(&[label, &kept.label, "", ""], &amounts)?;
    }
    rows.filter(header.len())
}

fn models(
    sheet: &mut Worksheet,
    statement: &SealedStatement,
    language: Language,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let mut sums: std::collections::BTreeMap<(&str, &str), Amount> = std::collections::BTreeMap::new();
    for line in &statement.lines {
        let department = line.department.as_deref().unwrap_or("");
        *sums
            .entry((department, line.model.as_deref().unwrap_or("")))
            .or_default() += line.amount;
    }
    let header = [
        language.choose("部門コード", "code"),
        language.choose("部門名", "name"),
        language.choose("モデル", "model"),
        language.choose("合計", "total"),
    ];
    let mut rows = Sheet::begin(sheet, language.choose("モデル別", "models"), &header, formats)?;
    for ((department, model), amount) in sums {
        let names = statement.names_of(department);
        let code = if department.is_empty() {
            language.choose("(未配賦)", "(kept visible)")
        } else {
            department
        };
        let model = if model.is_empty() {
            language.choose("(なし)", "(none)")
        } else {
            model
        };
        rows.push(&[code, names.shown(), model], &[amount])?;
    }
    rows.filter(header.len())
}

fn people(
    sheet: &mut Worksheet,
    statement: &SealedStatement,
    language: Language,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let month: Chargeback = statement.chargeback(GroupBy::Person);
    let mut header = vec![language.choose("個人ID", "person"), language.choose("氏名", "name")];
    header.extend(amount_headers(language));
    let mut rows = Sheet::begin(sheet, language.choose("ユーザー別", "people"), &header, formats)?;
    for row in &month.rows {
        let code = row.code.clone().unwrap_or_default();
        let name = statement.people.get(&code).map_or("", String::as_str);
        let mut amounts = Column::ALL.map(|column| row.column(column)).to_vec();
        amounts.push(row.total());
        let code = if code.is_empty() {
            language.choose("(個人なし)", "(no person)")
        } else {
            &code
        };
        rows.push(&[code, name], &amounts)?;
    }
    let kept: Amount = month.kept.iter().map(|kept| kept.amount).sum();
    let mut amounts = Column::ALL.map(|_| Amount::ZERO).to_vec();
    amounts.push(kept);
    rows.push(&[language.choose("(未配賦)", "(kept visible)"), ""], &amounts)?;
    let note = language.choose(
        "個人の利用額は個人情報です。目的外の利用や再配布をしないでください。",
        "Figures of single people are personal data: use them for their purpose only, and do not pass them on.",
    );
    let (row, formats) = (rows.row + 1, rows.formats);
    rows.sheet.write_string_with_format(row, 0, note, &formats.note)?;
    rows.filter(header.len())
}

fn journal(
    sheet: &mut Worksheet,
    parts: &WorkbookParts,
    language: Language,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let header = [
        language.choose("会社", "legal entity"),
        language.choose("伝票番号", "slip"),
        language.choose("区分", "kind"),
        language.choose("日付", "date"),
        language.choose("借方勘定科目", "debit account"),
        language.choose("借方部門", "debit department"),
        language.choose("貸方勘定科目", "credit account"),
        language.choose("貸方部門", "credit department"),
        language.choose("摘要", "text"),
        language.choose("金額", "amount"),
    ];
    let mut rows = Sheet::begin(sheet, language.choose("仕訳", "journal"), &header, formats)?;
    for journal in &parts.journals {
        for slip in &journal.slips {
            for line in &slip.lines {
                let date = slip.date.to_string();
                let texts = [
                    journal.legal_entity.as_str(),
                    &slip.number,
                    language.choose(japanese_slip(slip.kind), slip.kind.as_str()),
                    &date,
                    &line.debit.account,
                    &line.debit.department_name,
                    &line.credit.account,
                    &line.credit.department_name,
                    &line.text,
                ];
                rows.push(&texts, &[Amount::from_whole(line.amount)])?;
                rows.put_date(3, slip.date)?;
            }
        }
    }
    rows.filter(header.len())
}

/// What the figures rest on, and how they tie to the invoices.
fn assumptions(
    sheet: &mut Worksheet,
    statement: &SealedStatement,
    parts: &WorkbookParts,
    language: Language,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let header = [
        language.choose("項目", "item"),
        language.choose("値", "value"),
        language.choose("出典", "source"),
        language.choose("金額 (USD)", "USD"),
        language.choose("金額 (円)", "JPY"),
    ];
    let mut rows = Sheet::begin(sheet, language.choose("前提条件", "assumptions"), &header, formats)?;
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    };
    let word = |value: &serde_json::Value| match language {
        Language::Japanese => japanese_word(&text(value)).to_owned(),
        Language::English => text(value),
    };
    let head = &statement.head;
    let version = statement.version.to_string();
    for (item, value) in [
        (language.choose("対象月", "period"), statement.period.to_string()),
        (
            language.choose("状態", "state"),
            state_in_words(statement, language).to_owned(),
        ),
        (language.choose("版", "version"), version),
        (language.choose("SHA-256", "SHA-256"), statement.digest.clone()),
        (language.choose("作成者", "prepared by"), statement.prepared_by.clone()),
        (
            language.choose("締め日時", "sealed at"),
            statement.sealed_at.to_rfc3339(),
        ),
        (language.choose("データ時点", "data as of"), text(&head["data_as_of"])),
        (language.choose("月の区切り", "days are"), word(&head["days_are"])),
        (language.choose("原価の基準", "cost basis"), word(&head["cost_basis"])),
        (
            language.choose("組織マスタの版", "directory version"),
            text(&head["directory_version"]),
        ),
        (
            language.choose("配賦規則の版", "allocation version"),
            text(&head["allocation_version"]),
        ),
        (
            language.choose("二者承認", "two persons"),
            if head["two_person"] == true {
                language.choose("あり", "yes")
            } else {
                language.choose("なし", "no")
            }
            .to_owned(),
        ),
    ] {
        rows.push(&[item, &value, ""], &[])?;
    }
    let each = |key: &str| head[key].as_array().cloned().unwrap_or_default();
    for cut in each("utc_cut_off") {
        let item = format!(
            "{} {}",
            language.choose(
                "UTC末9時間 (日本では翌日)",
                "last nine UTC hours (the next day in Japan)"
            ),
            text(&cut["last_nine_hours_of"])
        );
        let unknown = language
            .choose("時間単位のデータなし", "the export tells no hours")
            .to_owned();
        let usd = if cut["usd"].is_null() {
            unknown
        } else {
            text(&cut["usd"])
        };
        rows.push(&[&item, &word(&cut["before"]), "", &usd], &[])?;
    }
    for basis in each("cost_bases") {
        let item = format!(
            "{} {}",
            language.choose("原価の比較", "both columns of"),
            text(&basis["payer"])
        );
        let net = match basis["net"].as_str() {
            Some(net) => format!("{} {net}", language.choose("割引後", "net")),
            None => language.choose("割引後の列なし", "no net column").to_owned(),
        };
        rows.push(
            &[
                &item,
                &text(&basis["basis"]),
                &net,
                &text(&basis["unblended_with_discounts"]),
            ],
            &[],
        )?;
    }
    for error in each("accrual_errors") {
        let item = format!(
            "{} {}",
            language.choose("概算の誤差", "error of the accrual"),
            text(&error["department"])
        );
        let billed = format!("{} {}", language.choose("実績", "billed"), text(&error["billed_usd"]));
        let estimated = format!(
            "{} {}",
            language.choose("概算", "estimated"),
            text(&error["estimated_usd"])
        );
        rows.push(
            &[item.trim(), &estimated, &billed, &text(&error["difference_usd"])],
            &[],
        )?;
        rows.put_dollars(3, &text(&error["difference_usd"]))?;
    }
    for rate in each("rates") {
        let item = format!("{} ({})", language.choose("為替レート", "rate"), word(&rate["kind"]));
        let source = format!(
            "{} {} {}",
            text(&rate["source"]),
            text(&rate["date"]),
            text(&rate["invoice"])
        );
        rows.push(&[&item, &text(&rate["value"]), source.trim()], &[])?;
    }
    for invoice in each("invoices") {
        let id = text(&invoice["invoice_id"]);
        let yen = |value: &serde_json::Value| Amount::parse(&text(value)).map(|jpy| vec![jpy]).unwrap_or_default();
        let seller = format!("{} {}", text(&invoice["seller"]), text(&invoice["registration_number"]));
        let item = language.choose("請求書 税抜", "invoice net of tax");
        rows.push(
            &[item, &id, seller.trim(), &text(&invoice["net_usd"])],
            &yen(&invoice["net_jpy"]),
        )?;
        rows.put_dollars(3, &text(&invoice["net_usd"]))?;
        for tax in invoice["taxes"].as_array().into_iter().flatten() {
            let item = format!(
                "{} {}",
                language.choose("請求書 消費税率", "invoice tax at"),
                tax_rate(&tax["rate"])
            );
            rows.push(
                &[&item, &id, &text(&invoice["treatment"]), &text(&tax["usd"])],
                &yen(&tax["jpy"]),
            )?;
            rows.put_dollars(3, &text(&tax["usd"]))?;
        }
    }
    for line in each("adjustments") {
        let item = format!("{} {}", word(&line["kind"]), text(&line["origin"]));
        let fiscal_year = match line["crosses_fiscal_year"].as_bool() {
            Some(true) => language.choose(" (前年度分)", " (of an earlier fiscal year)"),
            _ => "",
        };
        let who = match (line["from"].as_str(), line["to"].as_str()) {
            (Some(from), Some(to)) => format!("{from} -> {to}"),
            _ => format!("{} {}", text(&line["name"]), text(&line["department"])),
        };
        let jpy = Amount::parse(&text(&line["jpy"])).unwrap_or_default();
        rows.push(
            &[
                &format!("{}{fiscal_year}", item.trim()),
                who.trim(),
                &text(&line["because"]),
                &text(&line["usd"]),
            ],
            &[jpy],
        )?;
        rows.put_dollars(3, &text(&line["usd"]))?;
    }
    for rule in each("allocation_rules") {
        let item = format!("{} {}", language.choose("配賦規則", "rule"), text(&rule["pool"]));
        rows.push(&[&item, &text(&rule["method"]), &text(&rule["members"])], &[])?;
    }
    for check in each("checks") {
        if !check["waived"].is_null() {
            let item = format!(
                "{} {}",
                language.choose("承認済みの例外", "waived"),
                text(&check["check"])
            );
            rows.push(&[&item, &text(&check["waived"]), &text(&check["message"])], &[])?;
        }
    }
    for delivery in each("deliveries") {
        let item = format!(
            "{} {}",
            language.choose("データ", "delivery"),
            text(&delivery["source"])
        );
        rows.push(&[&item, &text(&delivery["version"]), &text(&delivery["manifest"])], &[])?;
    }
    for step in each("reconciliation") {
        let name = text(&step["step"]);
        // One that this version does not know was sealed by another, and stands as it was.
        let item = match StepName::parse(&name) {
            Some(known) => language.choose(japanese_step(known), known.as_str()).to_owned(),
            None => name,
        };
        let (usd, jpy) = (
            text(&step["usd"]),
            Amount::parse(&text(&step["jpy"])).unwrap_or_default(),
        );
        rows.push(
            &[
                &item,
                &text(&step["invoice"]),
                language.choose("照合", "reconciliation"),
                &usd,
            ],
            &[jpy],
        )?;
        rows.put_dollars(3, &usd)?;
    }
    tie_out(&mut rows, statement, parts, language)
}

/// What the journals move and what makes no line add up to what departments are charged; with what is kept visible to the month.
fn tie_out(
    rows: &mut Sheet<'_>,
    statement: &SealedStatement,
    parts: &WorkbookParts,
    language: Language,
) -> Result<(), XlsxError> {
    let title = language.choose("仕訳の突合", "journal tie-out");
    for journal in &parts.journals {
        for (item, amount) in [
            (language.choose("振替額", "moved"), journal.own_moved),
            (
                language.choose("支払部門の自部門負担", "the payer's own share"),
                journal.own_share,
            ),
            (
                language.choose("別途計上の消費税", "tax booked elsewhere"),
                journal.tax_elsewhere,
            ),
            (
                language.choose("会社への請求額", "charged to the entity"),
                journal.charged,
            ),
        ] {
            rows.push(&[item, &journal.legal_entity, title, ""], &[Amount::from_whole(amount)])?;
        }
    }
    let month = statement.chargeback(GroupBy::Department);
    let charged: Amount = month.rows.iter().map(|row| row.total()).sum();
    let kept: Amount = month.kept.iter().map(|kept| kept.amount).sum();
    for (item, amount) in [
        (language.choose("部門への請求額", "charged to departments"), charged),
        (language.choose("未配賦", "kept visible"), kept),
        (language.choose("月次合計", "total of the month"), charged + kept),
    ] {
        rows.push(&[item, "", title, ""], &[amount])?;
    }
    Ok(())
}

const fn state_in_words(statement: &SealedStatement, language: Language) -> &'static str {
    match statement.state {
        MonthState::Open => language.choose("未締め", "open"),
        MonthState::Provisional => language.choose("概算", "provisional"),
        MonthState::Final => language.choose("確定", "final"),
        MonthState::Locked => language.choose("ロック済み", "locked"),
    }
}
