//! The AWS identity that called a model, read from `line_item_iam_principal`.
//!
//! Owns the reading of ARNs.  It never guesses: what is not one of the known shapes is no principal of anybody.

/// What kind of identity an ARN names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    Root,
    User,
    Role,
    AssumedRole,
}

impl PrincipalKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::User => "user",
            Self::Role => "role",
            Self::AssumedRole => "assumed-role",
        }
    }
}

/// A principal in its parts.  The role is canonical: without its path (which an assumed-role ARN never has) and
/// without the session, of which one person can have thousands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Principal<'a> {
    pub partition: &'a str,
    pub account: &'a str,
    pub kind: PrincipalKind,
    pub role: Option<&'a str>,
    pub session: Option<&'a str>,
    pub user: Option<&'a str>,
}

impl<'a> Principal<'a> {
    /// Reads `arn:{partition}:{iam|sts}:{region}:{account}:{resource}`; `None` for anything else.
    pub fn parse(arn: &'a str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (scheme, partition, _service, _region) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (account, resource) = (parts.next()?, parts.next()?);
        if scheme != "arn" || account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let (kind, rest) = match resource.split_once('/') {
            Some((kind, rest)) => (kind, Some(rest)),
            None => (resource, None),
        };
        let base = Self {
            partition,
            account,
            kind: PrincipalKind::Root,
            role: None,
            session: None,
            user: None,
        };
        match (kind, rest) {
            ("root", None) => Some(base),
            ("user", Some(path)) => last_part(path).map(|user| Self {
                kind: PrincipalKind::User,
                user: Some(user),
                ..base
            }),
            ("role", Some(path)) => last_part(path).map(|role| Self {
                kind: PrincipalKind::Role,
                role: Some(role),
                ..base
            }),
            ("assumed-role", Some(rest)) => {
                let (role, session) = rest.split_once('/')?;
                let whole = !role.is_empty() && !session.is_empty() && !session.contains('/');
                whole.then_some(Self {
                    kind: PrincipalKind::AssumedRole,
                    role: Some(role),
                    session: Some(session),
                    ..base
                })
            }
            _ => None,
        }
    }

    /// The name that a role-name pattern is applied to: an IAM user's name counts as one.
    pub fn role_or_user(&self) -> Option<&'a str> {
        self.role.or(self.user)
    }

    /// The name that may be a person's: an IAM user's name counts as a session name.
    pub fn session_or_user(&self) -> Option<&'a str> {
        self.session.or(self.user)
    }
}

fn last_part(path: &str) -> Option<&str> {
    path.rsplit('/').next().filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// kind, account, role, session, user
    fn check(arn: &str, expected: Option<(&str, &str, &str, &str, &str)>) {
        let read = Principal::parse(arn);
        let parts = read.as_ref().map(|p| {
            (
                p.kind.as_str(),
                p.account,
                p.role.unwrap_or(""),
                p.session.unwrap_or(""),
                p.user.unwrap_or(""),
            )
        });
        assert_eq!(parts, expected, "{arn}");
    }

    #[test]
    fn every_documented_shape_is_read() {
        check(
            "arn:aws:iam::111122223333:user/alice",
            Some(("user", "111122223333", "", "", "alice")),
        );
        check(
            "arn:aws:iam::111122223333:user/division/tokyo/svc",
            Some(("user", "111122223333", "", "", "svc")),
        );
        check(
            "arn:aws:iam::111122223333:user/BedrockAPIKey-k7x2",
            Some(("user", "111122223333", "", "", "BedrockAPIKey-k7x2")),
        );
        check(
            "arn:aws:sts::002200010004:assumed-role/Admin/bob",
            Some(("assumed-role", "002200010004", "Admin", "bob", "")),
        );
        check(
            "arn:aws:iam::111122223333:role/app/ledger",
            Some(("role", "111122223333", "ledger", "", "")),
        );
        check(
            "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_PowerUser_0a1b2c3d4e5f6071/a@example.co.jp",
            Some((
                "assumed-role",
                "111122223333",
                "AWSReservedSSO_PowerUser_0a1b2c3d4e5f6071",
                "a@example.co.jp",
                "",
            )),
        );
        check(
            "arn:aws:sts::111122223333:assumed-role/bot/BedrockAgentCore-7c9e6679-7425-40de-944b-e07fc1f90ae7",
            Some((
                "assumed-role",
                "111122223333",
                "bot",
                "BedrockAgentCore-7c9e6679-7425-40de-944b-e07fc1f90ae7",
                "",
            )),
        );
        check(
            "arn:aws:iam::111122223333:root",
            Some(("root", "111122223333", "", "", "")),
        );
        check(
            "arn:aws-cn:sts::111122223333:assumed-role/r/s",
            Some(("assumed-role", "111122223333", "r", "s", "")),
        );
        check(
            "arn:aws-us-gov:iam::111122223333:user/u",
            Some(("user", "111122223333", "", "", "u")),
        );
    }

    #[test]
    fn what_is_no_arn_of_a_caller_is_nobody() {
        for text in [
            "",
            "AIDAEXAMPLEUSERID0001",
            "arn:aws:sts::111122223333:assumed-role",
            "arn:aws:sts::111122223333:assumed-role/only-role",
            "arn:aws:sts::111122223333:assumed-role/a/b/c",
            "arn:aws:sts::111122223333:assumed-role//s",
            "arn:aws:iam::11112222333:user/short-account",
            "arn:aws:iam::11112222333x:user/u",
            "arn:aws:iam::111122223333:user/",
            "arn:aws:iam::111122223333:root/x",
            "arn:aws:iam::111122223333:group/g",
            "ARN:aws:iam::111122223333:user/u",
        ] {
            check(text, None);
        }
    }
}
