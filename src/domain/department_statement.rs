//! A department's own statement: whom it was sent to, and what was answered.

use super::money::Amount;
use super::named::named;

named! {
    DepartmentAnswer {
        Received = "received",
        /// Some of it is said to be somebody else's.
        Disputed = "disputed",
        /// A dispute has ended: by a reclass, a correction, or because it was withdrawn.
        Settled = "settled",
    }
}

/// Why an answer is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    #[error("a dispute says how many yen are somebody else's, from 1 up to the {0} that the department is charged")]
    Amount(Amount),
    #[error("a dispute and its settlement say why")]
    NoReason,
    #[error("it is disputed: settle the dispute, with the reason")]
    Open,
    #[error("only what is disputed is settled")]
    NotDisputed,
}

/// Checks an answer against what the department is charged and what it answered before.
pub fn check_answer(
    answer: DepartmentAnswer,
    (jpy, charged): (Amount, Amount),
    reason: &str,
    before: Option<DepartmentAnswer>,
) -> Result<(), AnswerError> {
    let is_whole = jpy.whole().is_some_and(|yen| yen >= 1);
    match answer {
        DepartmentAnswer::Received if before == Some(DepartmentAnswer::Disputed) => Err(AnswerError::Open),
        DepartmentAnswer::Received => Ok(()),
        DepartmentAnswer::Disputed if !is_whole || jpy > charged => Err(AnswerError::Amount(charged)),
        DepartmentAnswer::Settled if before != Some(DepartmentAnswer::Disputed) => Err(AnswerError::NotDisputed),
        _ if reason.trim().is_empty() => Err(AnswerError::NoReason),
        DepartmentAnswer::Disputed | DepartmentAnswer::Settled => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dispute_has_an_amount_and_a_reason_and_is_settled_once() {
        use DepartmentAnswer::{Disputed, Received, Settled};
        let yen = Amount::from_whole;
        let charged = yen(100);
        assert_eq!(check_answer(Received, (yen(0), charged), "", None), Ok(()));
        assert_eq!(check_answer(Disputed, (yen(40), charged), "not ours", None), Ok(()));
        assert_eq!(
            check_answer(Disputed, (yen(40), charged), " ", None),
            Err(AnswerError::NoReason)
        );
        for wrong in [yen(0), yen(-1), yen(101), Amount::from_units(1)] {
            let answer = check_answer(Disputed, (wrong, charged), "x", None);
            assert_eq!(answer, Err(AnswerError::Amount(charged)), "{wrong}");
        }
        assert_eq!(
            check_answer(Settled, (yen(0), charged), "reclass 3", Some(Disputed)),
            Ok(())
        );
        assert_eq!(
            check_answer(Received, (yen(0), charged), "", Some(Disputed)),
            Err(AnswerError::Open)
        );
        for before in [None, Some(Received), Some(Settled)] {
            assert_eq!(
                check_answer(Settled, (yen(0), charged), "x", before),
                Err(AnswerError::NotDisputed)
            );
        }
    }
}
