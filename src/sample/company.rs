//! The sample company: departments, people, and how each of them calls a model.

use std::fs;
use std::path::Path;

use chrono::NaiveDate;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::SampleSize;

pub(super) const PAYER: &str = "999900001111";
/// Account, and the department that owns it (empty where nobody does).
pub(super) const ACCOUNTS: [(&str, &str); 3] = [
    ("111100002222", ""),
    ("111100003333", "data-platform"),
    ("002200004444", ""),
];
const SSO_ROLE: &str = "AWSReservedSSO_BedrockUser_0a1b2c3d4e5f6071";

/// Code, name, Japanese name, parent, cost centre.  Some codes begin like others, so that a name cannot be cut blindly.
const DEPARTMENTS: [(&str, &str, &str, &str, &str); 10] = [
    ("engineering", "Engineering", "開発本部", "", "0001200"),
    ("data", "Data", "データ部", "engineering", "0001210"),
    ("data-platform", "Data Platform", "データ基盤部", "data", "0001220"),
    ("research", "Research", "研究部", "engineering", "0001230"),
    ("sales", "Sales", "営業部", "", "0001300"),
    ("sales-partner", "Partner Sales", "パートナー営業部", "sales", "0001310"),
    (
        "customer-success",
        "Customer Success",
        "カスタマーサクセス部",
        "sales",
        "0001320",
    ),
    ("human-resources", "Human Resources", "人事部", "", "0001400"),
    ("finance", "Finance", "経理部", "", "0001500"),
    ("it", "IT", "情報システム部", "", "0001600"),
];
/// Opened by the reorganisation; half of `research` moves there.
const NEW_DEPARTMENT: (&str, &str, &str, &str, &str) = (
    "research-ml",
    "Machine Learning Research",
    "機械学習研究室",
    "research",
    "0001231",
);

const FAMILY_NAMES: [&str; 16] = [
    "sato",
    "suzuki",
    "takahashi",
    "tanaka",
    "ito",
    "watanabe",
    "yamamoto",
    "nakamura",
    "kobayashi",
    "kato",
    "yoshida",
    "yamada",
    "sasaki",
    "mori",
    "abe",
    "ikeda",
];
const GIVEN_NAMES: [&str; 16] = [
    "haruto", "yui", "aoi", "ren", "sakura", "minato", "hina", "riku", "mei", "sota", "rin", "yuma", "mio", "kaito",
    "emi", "ken",
];

/// How somebody's calls are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    PersonalRole,
    SharedSso,
    ApiKey,
}

#[derive(Debug, Clone)]
pub struct Employee {
    pub person_id: String,
    pub login: String,
    pub name: String,
    pub department: &'static str,
    pub access: Access,
    pub account: &'static str,
    /// How much of everybody's use is theirs, in per cent of the usual.
    pub activity: u32,
    pub moves_at_reorganisation: bool,
    pub leaves: Option<NaiveDate>,
}

impl Employee {
    pub fn email(&self) -> String {
        format!("{}@example.co.jp", self.login)
    }

    /// The principal of a call.  A personal role keeps the name of the department that it was made for.
    pub fn arn(&self, session: u32) -> String {
        let account = self.account;
        match self.access {
            Access::PersonalRole => format!(
                "arn:aws:sts::{account}:assumed-role/cowork-{}-{}/claude-code-{session}",
                self.department, self.login
            ),
            Access::SharedSso => format!("arn:aws:sts::{account}:assumed-role/{SSO_ROLE}/{}", self.email()),
            Access::ApiKey => format!(
                "arn:aws:iam::{account}:user/BedrockAPIKey-{}",
                self.person_id.to_lowercase()
            ),
        }
    }
}

/// The company over the whole sample.
#[derive(Debug)]
pub struct Company {
    pub employees: Vec<Employee>,
    pub reorganisation: NaiveDate,
    founded: NaiveDate,
}

impl Company {
    pub fn new(size: SampleSize) -> Self {
        let mut random = StdRng::seed_from_u64(size.seed);
        let middle = size
            .periods()
            .into_iter()
            .nth(size.months as usize / 2)
            .unwrap_or(size.first);
        let reorganisation = middle.first_day();
        let mut employees: Vec<Employee> = (0..size.people.max(8)).map(|i| employee(i, &mut random)).collect();
        let mut of_research = 0;
        for employee in &mut employees {
            if employee.department == "research" {
                of_research += 1;
                employee.moves_at_reorganisation = of_research % 2 == 0;
            }
        }
        // Two people leave; one of them shares a role, so that calls after the last day name nobody.
        let count = employees.len();
        for (from_end, access) in [(1, Access::SharedSso), (2, Access::PersonalRole)] {
            employees[count - from_end].access = access;
            employees[count - from_end].leaves = reorganisation.checked_add_days(chrono::Days::new(9));
        }
        Self {
            employees,
            reorganisation,
            founded: NaiveDate::from_ymd_opt(2020, 4, 1).unwrap_or_default(),
        }
    }

    /// Writes the four files of the directory.
    pub fn write(&self, folder: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(folder)?;
        let (founded, moved) = (self.founded, self.reorganisation);
        let mut departments = csv::Writer::from_path(folder.join("departments.csv"))?;
        departments.write_record([
            "code",
            "name",
            "name_ja",
            "parent_code",
            "cost_center",
            "legal_entity",
            "valid_from",
            "valid_to",
        ])?;
        for (from, (code, name, name_ja, parent, cost_center)) in DEPARTMENTS
            .iter()
            .map(|d| (founded, d))
            .chain([(moved, &NEW_DEPARTMENT)])
        {
            departments.write_record([
                code,
                name,
                name_ja,
                parent,
                cost_center,
                &"Example K.K.",
                &from.to_string().as_str(),
                &"",
            ])?;
        }
        departments.flush()?;
        let mut people = csv::Writer::from_path(folder.join("people.csv"))?;
        people.write_record([
            "person_id",
            "name",
            "email",
            "department_code",
            "manager_person_id",
            "valid_from",
            "valid_to",
        ])?;
        for e in &self.employees {
            let row = |department: &str, from: NaiveDate, to: Option<NaiveDate>| {
                let to = to.map(|day| day.to_string()).unwrap_or_default();
                [
                    e.person_id.clone(),
                    e.name.clone(),
                    e.email(),
                    department.to_owned(),
                    String::new(),
                    from.to_string(),
                    to,
                ]
            };
            if e.moves_at_reorganisation {
                people.write_record(row(e.department, founded, Some(moved)))?;
                people.write_record(row(NEW_DEPARTMENT.0, moved, e.leaves))?;
            } else {
                people.write_record(row(e.department, founded, e.leaves))?;
            }
        }
        people.flush()?;
        self.write_principals(folder)?;
        let mut projects = csv::Writer::from_path(folder.join("projects.csv"))?;
        projects.write_record([
            "code",
            "name",
            "owner_person_id",
            "department_code",
            "valid_from",
            "valid_to",
        ])?;
        let from = founded.to_string();
        projects.write_record(["PJ-001", "Support bot", "", "customer-success", &from, ""])?;
        projects.write_record(["PJ-002", "Contract search", "", "finance", &from, ""])?;
        projects.flush()?;
        Ok(())
    }

    fn write_principals(&self, folder: &Path) -> anyhow::Result<()> {
        let from = self.founded.to_string();
        let mut principals = csv::Writer::from_path(folder.join("principals.csv"))?;
        principals.write_record([
            "account_id",
            "role_name",
            "session_name",
            "user_name",
            "person_id",
            "department_code",
            "project_code",
            "kind",
            "valid_from",
            "valid_to",
        ])?;
        let mut entry = |cells: [&str; 8]| principals.write_record(cells.into_iter().chain([from.as_str(), ""]));
        entry(["*", SSO_ROLE, "*", "", "", "", "", "shared"])?;
        entry(["*", "litellm-gateway", "*", "", "", "", "", "gateway"])?;
        entry([
            "*",
            "support-bot-runtime",
            "*",
            "",
            "",
            "customer-success",
            "PJ-001",
            "service",
        ])?;
        entry(["*", "contract-search-task", "*", "", "", "finance", "PJ-002", "service"])?;
        for (account, owner) in ACCOUNTS.iter().filter(|(_, owner)| !owner.is_empty()) {
            entry([account, "*", "*", "*", "", owner, "", "service"])?;
        }
        for e in self.employees.iter().filter(|e| e.access == Access::ApiKey) {
            let user = format!("BedrockAPIKey-{}", e.person_id.to_lowercase());
            entry([e.account, "", "", &user, &e.person_id, "", "", "person"])?;
        }
        principals.flush()?;
        Ok(())
    }
}

fn employee(number: u32, random: &mut StdRng) -> Employee {
    let (family, given) = (
        FAMILY_NAMES[number as usize % 16],
        GIVEN_NAMES[(number / 16 + number * 7) as usize % 16],
    );
    let again = number / 256;
    let login = format!(
        "{given}{}{family}{}",
        if number.is_multiple_of(5) { '-' } else { '.' },
        if again > 0 { again.to_string() } else { String::new() }
    );
    let title = |text: &str| text[..1].to_uppercase() + &text[1..];
    let access = match number % 8 {
        3 | 6 => Access::SharedSso,
        5 => Access::ApiKey,
        _ => Access::PersonalRole,
    };
    Employee {
        person_id: format!("E{:05}", number + 1),
        name: format!("{} {}", title(family), title(given)),
        login,
        department: DEPARTMENTS[random.random_range(0..DEPARTMENTS.len())].0,
        access,
        account: ACCOUNTS[number as usize % 2].0,
        activity: random.random_range(20..180),
        moves_at_reorganisation: false,
        leaves: None,
    }
}
