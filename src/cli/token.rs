//! `anbun token`

use clap::Subcommand;

use super::CommandContext;
use super::output::{self, Table};
use crate::domain::actor::{Action, Role, authorize};
use crate::store::tokens;

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token; its secret is printed once
    Create {
        /// Whose it is
        name: String,
        #[arg(long, value_parser = ["finance", "operator", "admin"])]
        role: String,
    },
    /// Every token, without secrets
    List,
    /// End a token
    Revoke { name: String },
}

#[derive(serde::Serialize)]
struct TokenView {
    name: String,
    role: String,
    created_at: String,
    created_by: String,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
}

pub(super) async fn run(context: &CommandContext, command: TokenCommand) -> anyhow::Result<()> {
    authorize(&context.actor, Action::ManageTokens)?;
    let database = context.database().await?;
    let mut connection = database.pool.acquire().await?;
    match command {
        TokenCommand::Create { name, role } => {
            let role = Role::parse(&role).ok_or_else(|| anyhow::anyhow!("'{role}' is no role"))?;
            let secret =
                tokens::create_token(&mut connection, &name, role, context.clock.now(), &context.actor.name).await?;
            let secret =
                secret.ok_or_else(|| anyhow::anyhow!("there is a token '{name}' already; choose another name"))?;
            println!("{secret}");
            eprintln!(
                "keep it: it is not shown again. Send it as 'Authorization: Bearer ...', or as the password when a browser asks"
            );
        }
        TokenCommand::List => {
            let time = |time: chrono::DateTime<chrono::Utc>| time.format("%Y-%m-%dT%H:%M:%SZ").to_string();
            let views: Vec<TokenView> = tokens::list_tokens(&mut connection)
                .await?
                .into_iter()
                .map(|token| TokenView {
                    name: token.name,
                    role: token.role,
                    created_at: time(token.created_at),
                    created_by: token.created_by,
                    last_used_at: token.last_used_at.map(time),
                    revoked_at: token.revoked_at.map(time),
                })
                .collect();
            let mut table = Table::new(&["name", "role", "created", "by", "last used", "revoked"]);
            for view in &views {
                let optional = |text: &Option<String>| text.clone().unwrap_or_default();
                table.push(vec![
                    view.name.clone(),
                    view.role.clone(),
                    view.created_at.clone(),
                    view.created_by.clone(),
                    optional(&view.last_used_at),
                    optional(&view.revoked_at),
                ]);
            }
            output::print(context.format(), &views, &table)?;
        }
        TokenCommand::Revoke { name } => {
            anyhow::ensure!(
                tokens::revoke_token(&mut connection, &name, context.clock.now()).await?,
                "there is no such token to revoke: '{name}'"
            );
            eprintln!("'{name}' opens nothing any more");
        }
    }
    Ok(())
}
