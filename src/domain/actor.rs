//! Who acts, and what they may do.  One function decides; handlers and commands only ask it.

use std::fmt;

/// What somebody is to anbun.  Finer roles come with sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Reads the books, people's figures included.
    Finance,
    /// Runs it: loads data, sees the state of jobs.
    Operator,
    /// Everything, tokens included.
    Admin,
}

impl Role {
    pub const ALL: [Self; 3] = [Self::Finance, Self::Operator, Self::Admin];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finance => "finance",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Somebody who acts: a person at the machine's own terminal, or the holder of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub name: String,
    pub role: Role,
}

impl Actor {
    /// Whoever can run the program on the machine that holds the database may do everything with it.
    pub fn local() -> Self {
        Self {
            name: "local".to_owned(),
            role: Role::Admin,
        }
    }
}

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    ReadChargeback,
    /// Figures of single people are personal data.
    ReadPeople,
    ReadOperations,
    ChangeDirectory,
    LoadData,
    ManageTokens,
    /// Rates, invoices, rules for shared cost.
    KeepRegisters,
    /// Close, reopen and lock months.
    CloseMonths,
    /// Say that an alert is seen to, or wants silence.
    AnswerAlerts,
    /// Make what anbun needs in the AWS account.
    SetUpAws,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} ({role}) may not do this")]
pub struct NotAllowed {
    pub name: String,
    pub role: Role,
}

/// The policy.
pub fn authorize(actor: &Actor, action: Action) -> Result<(), NotAllowed> {
    use Action::{
        AnswerAlerts, ChangeDirectory, CloseMonths, KeepRegisters, LoadData, ReadChargeback, ReadOperations, ReadPeople,
    };
    let allowed = match actor.role {
        Role::Admin => true,
        Role::Finance => matches!(
            action,
            ReadChargeback | ReadPeople | ReadOperations | ChangeDirectory | KeepRegisters | CloseMonths | AnswerAlerts
        ),
        Role::Operator => matches!(
            action,
            ReadChargeback | ReadOperations | ChangeDirectory | LoadData | AnswerAlerts
        ),
    };
    if allowed {
        Ok(())
    } else {
        Err(NotAllowed {
            name: actor.name.clone(),
            role: actor.role,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_may_what_their_work_needs() {
        let may = |role, action| {
            authorize(
                &Actor {
                    name: "x".to_owned(),
                    role,
                },
                action,
            )
            .is_ok()
        };
        assert!(may(Role::Finance, Action::ReadPeople) && !may(Role::Finance, Action::LoadData));
        assert!(may(Role::Operator, Action::LoadData) && !may(Role::Operator, Action::ReadPeople));
        assert!(may(Role::Admin, Action::ManageTokens));
        assert!(!may(Role::Finance, Action::ManageTokens) && !may(Role::Operator, Action::ManageTokens));
    }
}
