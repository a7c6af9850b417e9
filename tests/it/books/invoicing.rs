//! October's invoices read from AWS Invoicing: recorded as they are said, and never a second time.

use serde_json::{Value, json};

use crate::books::company::PAYER;
use crate::books::october::{INVOICES, october_with};
use crate::peers::billing::Billing;
use crate::support::{stderr, stdout};

/// An invoice by the documented shape of the service: amounts as text, times as seconds.
fn summary(id: &str, entity: &str, base: (&str, &str, &str), paid: (&str, &str, &str, &str), more: Value) -> Value {
    let (net, tax, total) = base;
    let (currency, net_paid, tax_paid, total_paid) = paid;
    let amount = |currency: &str, net: &str, tax: &str, total: &str| {
        let taxes = match tax {
            "" => json!({}),
            tax => {
                json!({"Taxes": {"Breakdown": [{"Amount": tax, "Rate": "10.00", "Description": "JCT"}], "TotalAmount": tax}})
            }
        };
        json!({"CurrencyCode": currency, "TotalAmountBeforeTax": net, "TotalAmount": total, "AmountBreakdown": taxes})
    };
    let mut summary = json!({
        "AccountId": PAYER,
        "InvoiceId": id,
        "IssuedDate": 1_793_620_800,
        "Entity": {"InvoicingEntity": entity},
        "BillingPeriod": {"Month": 10, "Year": 2026},
        "InvoiceType": "INVOICE",
        "BaseCurrencyAmount": amount("USD", net, tax, total),
        "PaymentCurrencyAmount": amount(currency, net_paid, tax_paid, total_paid),
    });
    for (key, value) in more.as_object().unwrap() {
        summary[key] = value.clone();
    }
    summary
}

#[tokio::test]
async fn invoices_come_from_the_service_and_what_is_odd_is_left_to_a_person() {
    let billing = Billing::serve().await;
    let company = october_with("invoicing", &format!("[aws]\nendpoint = \"{}\"\n", billing.endpoint)).await;
    let japan = summary(
        "EUINJP26-100",
        "Amazon Web Services Japan G.K.",
        ("195.00", "19.50", "214.50"),
        ("JPY", "31201", "3120", "34321"),
        json!({}),
    );
    let inc = summary(
        "EUINJP26-200",
        "Amazon Web Services, Inc.",
        ("50.00", "", "50.00"),
        ("JPY", "8005", "", "8005"),
        json!({}),
    );
    let (first, second) = (japan.clone(), inc.clone());
    let broken = summary("BAD", "x", ("5.00", "", "6.00"), ("JPY", "800", "", "960"), json!({}));
    let euro = summary("EUR", "x", ("5.00", "", "5.00"), ("JPY", "800.5", "", "801"), json!({}));
    let refund = summary(
        "CREDIT",
        "x",
        ("-5.00", "", "-5.00"),
        ("JPY", "-800", "", "-800"),
        json!({"InvoiceType": "CREDIT_MEMO"}),
    );
    billing.answer_instead(move |operation, asked, _| {
        assert_eq!(operation, "ListInvoiceSummaries");
        assert_eq!(asked["Filter"]["BillingPeriod"], json!({"Month": 10, "Year": 2026}));
        let payer = asked["Selector"]["Value"].as_str().unwrap();
        let of_page = |summaries: &[&Value], next: Option<&str>| {
            let mut page = json!({"InvoiceSummaries": summaries});
            if let Some(next) = next {
                page["NextToken"] = json!(next);
            }
            Some((200, page))
        };
        match (payer, asked["NextToken"].as_str()) {
            (PAYER, None) => of_page(&[&first], Some("2")),
            (PAYER, Some("2")) => of_page(&[&second, &broken, &euro, &refund], None),
            _ => of_page(&[], None),
        }
    });
    let fetch = async |more: &[&str]| {
        let arguments = [&["invoices", "fetch", "2026-10"], more].concat();
        company.installation.run(&arguments).await
    };
    let dry = fetch(&["--dry-run"]).await;
    assert_eq!(dry.status.code(), Some(3), "{}", stderr(&dry));
    assert!(company.json(&["invoices", "list"]).await.as_array().unwrap().is_empty());
    let fetched = fetch(&[]).await;
    let said = format!("{}{}", stdout(&fetched), stderr(&fetched));
    assert_eq!(fetched.status.code(), Some(3), "{said}");
    for why in [
        "its taxes come to 0 USD by rate and to 1 USD in total",
        "800.5 is not whole yen",
        "names the invoice that it corrects",
        "nobody has said how consumption tax stands on this invoice of Amazon Web Services, Inc.",
    ] {
        assert!(said.contains(why), "{why}: {said}");
    }
    let recorded = company.json(&["invoices", "list"]).await;
    let ids: Vec<&str> = recorded
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|i| i["invoice_id"].as_str())
        .collect();
    assert_eq!(ids, ["EUINJP26-100", "EUINJP26-200"]);
    assert_eq!(recorded[0]["tax_jpy"]["amount"], "3120");
    assert_eq!(recorded[0]["issue_date"], "2026-11-02");
    // Again: nothing new, and what the register says otherwise is told.
    company.run(&["invoices", "remove", "EUINJP26-200"]).await;
    let wrong = INVOICES.replace("50.00,8005,none", "50.00,8006,none");
    let of_inc: Vec<&str> = wrong
        .lines()
        .enumerate()
        .filter(|(at, _)| [0, 2].contains(at))
        .map(|(_, line)| line)
        .collect();
    company
        .run(&[
            "invoices",
            "import",
            &company.file("inc.csv", &format!("{}\n", of_inc.join("\n"))),
        ])
        .await;
    let again = fetch(&[]).await;
    assert!(
        stdout(&again).contains("DIFFERS") && stdout(&again).contains("recorded"),
        "{}",
        stdout(&again)
    );
    // Not allowed: the error names the permission.
    billing.answer_instead(|_, _, _| Some((400, json!({"__type": "AccessDeniedException", "message": "no"}))));
    let refused = fetch(&[]).await;
    assert!(
        stderr(&refused).contains("invoicing:ListInvoiceSummaries"),
        "{}",
        stderr(&refused)
    );
}
