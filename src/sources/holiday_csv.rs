//! National holidays: the file that anbun ships, or one of the user's, such as the Cabinet Office's own (syukujitsu.csv).

use std::collections::BTreeMap;
use std::path::Path;

use chrono::NaiveDate;

use super::csv_table::{CsvError, CsvTable};

/// Japan's holidays of 2024 to 2030 by the law as it stands; published by the Cabinet Office up to 2027.
const SHIPPED: &[u8] = include_bytes!("../../calendar/holidays-jp.csv");

/// Header of ours, and of the Cabinet Office's file.
const COLUMNS: [[&str; 2]; 2] = [["date", "name"], ["国民の祝日・休日月日", "国民の祝日・休日名称"]];

/// Reads a file, or the shipped one where there is none.
pub fn read_holidays(file: Option<&Path>) -> Result<BTreeMap<NaiveDate, String>, CsvError> {
    let table = match file {
        Some(file) => CsvTable::read(file)?,
        None => CsvTable::parse(Path::new("calendar/holidays-jp.csv"), SHIPPED)?,
    };
    let [date, name] = COLUMNS
        .into_iter()
        .find(|[date, _]| table.has(date))
        .unwrap_or(COLUMNS[0]);
    table.expect_columns(&[date, name], &[])?;
    let mut holidays = BTreeMap::new();
    for line in table.lines() {
        let text = line.required(date)?;
        let day = ["%Y-%m-%d", "%Y/%m/%d"]
            .iter()
            .find_map(|format| NaiveDate::parse_from_str(&text, format).ok())
            .ok_or_else(|| line.refuse(date, format!("'{text}' is no date; write it as YYYY-MM-DD or YYYY/M/D")))?;
        if holidays.insert(day, line.text(name)).is_some() {
            return Err(line.refuse(date, format!("{day} is there twice")));
        }
    }
    Ok(holidays)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_has_the_holidays_that_move() {
        let holidays = read_holidays(None).unwrap_or_else(|e| panic!("{e}"));
        for (day, name) in [
            ("2026-09-22", "国民の休日"),
            ("2026-05-06", "憲法記念日 振替休日"),
            ("2027-03-21", "春分の日"),
            ("2030-10-14", "スポーツの日"),
        ] {
            let found = holidays.get(&day.parse().unwrap_or_default());
            assert_eq!(found.map(String::as_str), Some(name), "{day}");
        }
        // Sixteen by law in each year, and more where they move.
        for year in 2024..=2030 {
            assert!(
                holidays
                    .keys()
                    .filter(|day| chrono::Datelike::year(*day) == year)
                    .count()
                    >= 16
            );
        }
    }

    #[test]
    fn the_cabinet_offices_file_is_read_and_a_broken_one_named() {
        let read = |text: &str| {
            let (cp932, _, _) = encoding_rs::SHIFT_JIS.encode(text);
            let file = std::env::temp_dir().join(format!("anbun-holidays-{}-{}", std::process::id(), text.len()));
            std::fs::write(&file, &cp932).unwrap_or_else(|e| panic!("{e}"));
            let read = read_holidays(Some(&file));
            std::fs::remove_file(&file).unwrap_or_else(|e| panic!("{e}"));
            read.map_err(|e| e.to_string())
        };
        let header = "国民の祝日・休日月日,国民の祝日・休日名称\n";
        let holidays = read(&format!("{header}2026/1/1,元日\n2026/11/3,文化の日\n")).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(
            holidays.values().map(String::as_str).collect::<Vec<_>>(),
            ["元日", "文化の日"]
        );
        assert!(
            read(&format!("{header}2026/13/1,元日\n"))
                .is_err_and(|e| e.contains("line 2, column 国民の祝日・休日月日"))
        );
        assert!(
            read(&format!("{header}2026/1/1,元日\n2026-01-01,x\n"))
                .is_err_and(|e| e.contains("2026-01-01 is there twice"))
        );
        assert!(read("day\n2026-01-01\n").is_err_and(|e| e.contains("unknown column 'day'")));
    }
}
