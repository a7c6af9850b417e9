//! Every setting by name.  Defaults that are more than a constant are read from here, so that each has one home.

/// Every setting: its name, default as TOML, and what it does.  docs/SETTINGS.md is held equal to this by a test.
pub const KNOWN_SETTINGS: &[(&str, &str, &str)] = &[
    (
        "database.url",
        "",
        "a PostgreSQL (14 or newer) to use; without it a private one runs in the data folder",
    ),
    (
        "server.listen",
        "\"127.0.0.1:8080\"",
        "where pages and API are served; anything but loopback needs a token first",
    ),
    (
        "server.public_url",
        "",
        "the address that links point to, where it is not the one above",
    ),
    (
        "calendar.time_zone",
        "\"Asia/Tokyo\"",
        "business days, schedules and labels; days of use are UTC, as AWS bills them",
    ),
    (
        "calendar.fiscal_year_start_month",
        "4",
        "first month of the fiscal year; a true-up that crosses one is marked",
    ),
    (
        "calendar.holidays",
        "",
        "CSV of national holidays, such as the Cabinet Office's syukujitsu.csv; Japan's up to 2030 are shipped",
    ),
    (
        "calendar.closed_days",
        "[\"12-29\", \"12-30\", \"12-31\", \"01-02\", \"01-03\"]",
        "days of every year on which the company is closed",
    ),
    (
        "currency.reporting",
        "\"JPY\"",
        "currency in which chargebacks are shown: JPY, or USD in cents that add up; the book of record is exact dollars, and statements, files and journals are in yen",
    ),
    (
        "currency.planning_rate",
        "\"150.00\"",
        "yen for a dollar until the rates of the invoices are known",
    ),
    (
        "currency.chargeback_rate",
        "\"invoice\"",
        "invoice: departments pay what the invoices come to; planning: the planning rate, and the difference is a pool of its own",
    ),
    (
        "currency.rounding",
        "\"largest_remainder\"",
        "how yen are made to add up; the only method there is",
    ),
    (
        "currency.bank_of_japan",
        "\"https://www.stat-search.boj.or.jp/api/v1\"",
        "address of the Bank of Japan's statistics, which 'anbun rates fetch' asks",
    ),
    (
        "close.two_person",
        "true",
        "somebody else locks a month than prepared it; printed on the statement where it is off",
    ),
    (
        "close.quarantine_max",
        "0",
        "yen that may stay undecided when a month is closed",
    ),
    (
        "close.owners",
        "",
        "who does which task of the close, such as { invoices = \"Accounting\" }",
    ),
    (
        "close.due_business_days",
        "",
        "the business day of the next month by which a task is due, such as { provisional = 3 }",
    ),
    (
        "journal.sources",
        "",
        "who pays AWS, per payer and seller, and on which accounts; see docs/JOURNALS.md",
    ),
    (
        "journal.entities",
        "",
        "per legal entity: charged without tax or with it, and the share of the tax that is cost; see docs/JOURNALS.md",
    ),
    (
        "journal.mappings",
        "",
        "CSV of what each accounting system calls a department; without it cost centres and names are used",
    ),
    ("journal.templates", "[]", "further column templates, as TOML files"),
    (
        "journal.text",
        "\"Claude {month} {department}\"",
        "text of a journal line, with {month}, {department}, {code} and {version}",
    ),
    (
        "mail.url",
        "",
        "the company's mail server, such as smtps://user:password@mail.example.com (or smtp://...?tls=required); without it letters go into a folder",
    ),
    (
        "mail.from",
        "",
        "the sender of letters, such as anbun <anbun@example.com>",
    ),
    (
        "slack.token",
        "",
        "a bot's token (xoxb-...) with chat:write, and channels:history or groups:history to look before it repeats; a secret",
    ),
    (
        "slack.webhook_url",
        "",
        "an incoming webhook, where there is no bot; a secret",
    ),
    (
        "slack.default_channel",
        "",
        "the channel, by its id such as C0123ABCD, of budgets that name none",
    ),
    (
        "slack.signing_secret",
        "",
        "of the Slack app: messages have buttons where it is given; a secret",
    ),
    ("slack.language", "\"ja\"", "ja or en"),
    ("slack.api", "\"https://slack.com/api\"", "address of Slack's Web API"),
    (
        "slack.channels",
        "",
        "channels that differ: name, language (ja or en), and names = true where people may be named; elsewhere it is models, routes and head counts from five on",
    ),
    (
        "alerts.unusual_from_usd",
        "\"100\"",
        "a day is unusual only from so many dollars beyond what is usual on days of its kind",
    ),
    (
        "alerts.webhook_url",
        "",
        "a receiver of the company's own; each alert is posted to it as JSON, signed",
    ),
    (
        "alerts.webhook_secret",
        "",
        "key of the signature (HMAC-SHA256), at least 16 characters; a secret",
    ),
    ("alerts.mail", "false", "alerts go to budget owners by [mail] as well"),
    ("exports.name", "", "what an export is called in reports"),
    (
        "exports.location",
        "",
        "the export's folder, or s3://bucket/prefix/export-name",
    ),
    (
        "exports.region",
        "",
        "region of the bucket; asked of the bucket where it is not given",
    ),
    (
        "exports.endpoint",
        "",
        "address of a store that speaks S3's protocol, where it is not AWS's own",
    ),
    (
        "exports.profile",
        "",
        "profile of the AWS configuration files; that of [aws] by default",
    ),
    (
        "exports.role_arn",
        "",
        "role to assume for this export; that of [aws] by default",
    ),
    ("exports.external_id", "", "external id that the role asks for"),
    (
        "exports.fetch_mib_max",
        "128",
        "at most so many MiB of a bucket's files are held in memory before they are decoded",
    ),
    (
        "exports.copied",
        "false",
        "the objects are copies (aws s3 sync), whose times say nothing; they are read once they have stood still for an hour",
    ),
    ("aws.profile", "", "profile of the AWS configuration files"),
    (
        "aws.region",
        "",
        "region of STS and Cost Explorer, where it is not us-east-1",
    ),
    (
        "aws.role_arn",
        "",
        "role to assume for everything that does not name its own",
    ),
    ("aws.external_id", "", "external id that the role asks for"),
    (
        "aws.endpoint",
        "",
        "address of STS and of the billing services, where it is not AWS's own",
    ),
    (
        "cost_explorer.enabled",
        "false",
        "ask Cost Explorer once a day and compare; each request costs 0.01 USD",
    ),
    (
        "cost_explorer.endpoint",
        "",
        "address of Cost Explorer, where it is not AWS's own",
    ),
    (
        "cost_explorer.tag_keys",
        "[\"department\", \"project\"]",
        "principal tags to ask totals for, without 'iamPrincipal/'; only activated ones are asked",
    ),
    (
        "cost_explorer.max_requests_per_day",
        "10",
        "past this no request is sent until the next UTC day",
    ),
    (
        "cost_explorer.payer",
        "",
        "payer account whose Cost Explorer it is; needed where several payers are loaded",
    ),
    (
        "schedule.load_exports",
        "\"every 5m\"",
        "poll the manifests and load what is new: a listing costs next to nothing and AWS delivers up to three times a day",
    ),
    (
        "schedule.fetch_cost_explorer",
        "\"daily 12:30\"",
        "AWS refreshes Cost Explorer about once a day, in the night of the UTC day",
    ),
    (
        "schedule.check_aws_setup",
        "\"daily 07:10\"",
        "a switch turned off in the console is seen before the working day",
    ),
    (
        "schedule.recount_charges",
        "\"daily 06:10\"",
        "reads the open months a second time, when nobody waits for a page",
    ),
    (
        "schedule.evaluate_budgets",
        "\"every 1h\"",
        "after each load at once; every hour because forecasts and raises change without one",
    ),
    (
        "attribution.order",
        "[\"directory\", \"tag\", \"role_name\", \"session_name\", \"account\"]",
        "the order in which evidence is asked",
    ),
    (
        "attribution.role_patterns",
        "[\"cowork-{department}-{user}\"]",
        "role names that name a department and a user",
    ),
];

/// The default of a setting, without its quotes.
pub(super) fn default_of(name: &str) -> &'static str {
    let found = KNOWN_SETTINGS.iter().find(|(known, ..)| *known == name);
    found.map_or("", |(_, default, _)| default.trim_matches('"'))
}
