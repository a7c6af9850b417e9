//! Words of the books in Japanese, for files that finance hands on.

use super::journal::SlipKind;
use crate::domain::cost_basis::CostBasis;
use crate::domain::reconciliation::StepName;

pub(super) const fn japanese_step(step: StepName) -> &'static str {
    match step {
        StepName::InvoiceNet => "請求書 税抜額",
        StepName::InvoiceTax => "請求書 消費税",
        StepName::InvoiceRounding => "請求書の端数",
        StepName::Unexplained => "未説明差額",
        StepName::BillWithoutRecordedInvoice => "請求書未登録の利用額",
        StepName::OtherServices => "他サービス分",
        StepName::TaxOfOtherServices => "他サービス分の消費税",
        StepName::BillOfThisChargeback => "本配賦の対象額",
        StepName::Statement => "明細合計",
        StepName::ChargedDirect => "請求: 直課",
        StepName::KeptVisibleDirect => "未配賦: 直課",
        StepName::ChargedAllocated => "請求: 配賦",
        StepName::KeptVisibleUnattributed => "未配賦: 帰属なし",
        StepName::ChargedOther => "請求: その他",
        StepName::KeptVisibleOther => "未配賦: その他",
        StepName::ChargedDiscounts => "請求: 割引",
        StepName::KeptVisibleDiscounts => "未配賦: 割引",
        StepName::ChargedCredits => "請求: クレジット",
        StepName::KeptVisibleCredits => "未配賦: クレジット",
        StepName::ChargedRefunds => "請求: 返金",
        StepName::KeptVisibleRefunds => "未配賦: 返金",
        StepName::ChargedTax => "請求: 消費税",
        StepName::KeptVisibleTax => "未配賦: 消費税",
        StepName::AccrualsOfDaysNotDelivered => "未着日の概算計上",
        StepName::AccrualsKeptVisible => "未着日の概算計上 (未配賦)",
        StepName::ExchangeDifference => "為替差額",
        StepName::ExchangeDifferenceKeptVisible => "為替差額 (未配賦)",
        StepName::ManualPools => "手入力の共通費",
        StepName::ManualPoolsKeptVisible => "手入力の共通費 (未配賦)",
        StepName::ReclassesOfEarlierMonths => "過月分振替",
        StepName::ReclassesKeptVisible => "過月分振替 (未配賦)",
        StepName::TrueUpsOfEarlierMonths => "過月分調整",
        StepName::TrueUpsKeptVisible => "過月分調整 (未配賦)",
        StepName::BesideDeliveredAfterTheProvisionalStatement => "参考: 概算締め後に届いた分",
        StepName::BesideAccrualsOfTheProvisionalStatement => "参考: 概算締めの概算計上",
        StepName::BesideReversalOfTheseAccruals => "参考: 同 戻し",
        StepName::BesideRateOfTheInvoicesLessPolicy => "参考: 請求書と社内方針のレート差",
        StepName::BesideReverseChargeBase => "参考: リバースチャージの課税標準",
    }
}

pub(super) const fn japanese_slip(kind: SlipKind) -> &'static str {
    match kind {
        SlipKind::Accrual => "概算計上",
        SlipKind::Reversal => "概算戻し",
        SlipKind::Actual => "実績",
        SlipKind::Cancellation => "取消",
        SlipKind::TrueUp => "過月分調整",
        SlipKind::Reclass => "過月分振替",
        SlipKind::RateDifference => "為替差額",
    }
}

/// Words of a sealed head.  One that this version does not know stands as it was sealed.
pub(super) fn japanese_word(word: &str) -> &str {
    match word {
        "UTC, as AWS bills them" => "UTC (AWSの請求月)",
        "month" => "月末",
        "fiscal year" => "会計年度末",
        "reorganisation" => "組織変更の前日",
        "invoice" => "請求書",
        "planning" => "社内レート",
        "ttm" => "TTM",
        "tts" => "TTS",
        "ttb" => "TTB",
        "interbank" => "銀行間",
        word if word == CostBasis::Unblended.words() => "割引前の原価と割引行",
        word if word == CostBasis::Net.words() => "割引後の原価 (割引行なし)",
        other => other,
    }
}
