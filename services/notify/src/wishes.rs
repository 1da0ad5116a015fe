//! What recipients want: preferences of users, addresses that have unsubscribed, and the tokens in
//! mails that unsubscribe by one click.
//!
//! A token is sealed: it holds whom and what it is about, shows neither, needs no row, and does not
//! expire, for a mail may be old when its reader has had enough. Only what is optional can be
//! silenced.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use eventstore::storage;
use fault::Fault;
use ids::{TenantId, UserId};
use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;

use crate::catalogue::Category;
use crate::secrets::Secrets;

/// Whom a wish is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Whose {
    User(UserId),
    /// Somebody without an account.
    Address(String),
}

impl Whose {
    /// The recipient of a mail.
    pub(crate) fn of(user: Option<UserId>, address: &str) -> Self {
        user.map_or_else(|| Self::Address(address.to_lowercase()), Self::User)
    }
}

/// What somebody wants of a category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    pub email: bool,
    pub in_app: bool,
}

/// Where nobody has said anything, everything is welcome.
const WELCOME: Wish = Wish { email: true, in_app: true };

/// What a user wants of a category.
pub(crate) async fn wish(
    on: &mut PgConnection,
    tenant: TenantId,
    user: UserId,
    category: Category,
) -> fault::Result<Wish> {
    if !category.is_optional() {
        return Ok(WELCOME);
    }
    let row: Option<(bool, bool)> = sqlx::query_as(
        "SELECT email, in_app FROM preferences WHERE tenant_id = $1 AND user_id = $2 AND category = $3",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(category.name())
    .fetch_optional(on)
    .await
    .map_err(storage)?;
    Ok(row.map_or(WELCOME, |(email, in_app)| Wish { email, in_app }))
}

/// Changes what a user wants of a category.
pub(crate) async fn set_wish(
    on: &mut PgConnection,
    tenant: TenantId,
    (user, category): (UserId, Category),
    wish: Wish,
) -> fault::Result<()> {
    sqlx::query(
        "INSERT INTO preferences (tenant_id, user_id, category, email, in_app) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (tenant_id, user_id, category) DO UPDATE SET email = $4, in_app = $5",
    )
    .bind(tenant.as_uuid())
    .bind(user.as_uuid())
    .bind(category.name())
    .bind(wish.email)
    .bind(wish.in_app)
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// Whether a mail of the category is welcome.
pub(crate) async fn wants_mail(
    on: &mut PgConnection,
    tenant: TenantId,
    whose: &Whose,
    category: Category,
) -> fault::Result<bool> {
    match whose {
        _ if !category.is_optional() => Ok(true),
        Whose::User(user) => Ok(wish(on, tenant, *user, category).await?.email),
        Whose::Address(address) => {
            let gone: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM unsubscribed_addresses \
                 WHERE tenant_id = $1 AND address = $2 AND category = $3)",
            )
            .bind(tenant.as_uuid())
            .bind(address)
            .bind(category.name())
            .fetch_one(on)
            .await
            .map_err(storage)?;
            Ok(!gone)
        }
    }
}

/// No more mails of the category. A user keeps notifications in the application.
pub(crate) async fn unsubscribe(
    on: &mut PgConnection,
    tenant: TenantId,
    (whose, category): (&Whose, Category),
    now: Timestamp,
) -> fault::Result<()> {
    let address = match whose {
        Whose::User(user) => {
            let in_app = wish(on, tenant, *user, category).await?.in_app;
            return set_wish(on, tenant, (*user, category), Wish { email: false, in_app }).await;
        }
        Whose::Address(address) => address,
    };
    sqlx::query(
        "INSERT INTO unsubscribed_addresses (tenant_id, address, category, at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind(tenant.as_uuid())
    .bind(address)
    .bind(category.name())
    .bind(now.to_sqlx())
    .execute(on)
    .await
    .map_err(storage)?;
    Ok(())
}

/// The token that unsubscribes `whose` from the category.
pub(crate) fn token(
    secrets: &Secrets,
    tenant: TenantId,
    whose: &Whose,
    category: Category,
) -> fault::Result<String> {
    let plain = match whose {
        Whose::User(user) => format!("{}\nuser\n{user}", category.name()),
        Whose::Address(address) => format!("{}\naddress\n{address}", category.name()),
    };
    Ok(URL_SAFE_NO_PAD.encode(secrets.seal(&context(tenant), plain.as_bytes())?))
}

/// What a token is about. One of another tenant, or one that was altered, is unknown.
pub(crate) fn read(secrets: &Secrets, tenant: TenantId, token: &str) -> fault::Result<(Whose, Category)> {
    let unknown = || Fault::not_found("unsubscription");
    let sealed = URL_SAFE_NO_PAD.decode(token).map_err(|_| unknown())?;
    let plain = secrets.open(&context(tenant), &sealed).map_err(|_| unknown())?;
    let text = String::from_utf8(plain).map_err(|_| unknown())?;
    let mut parts = text.splitn(3, '\n');
    let category = parts.next().and_then(Category::from_name).filter(|category| category.is_optional());
    let whose = match (parts.next(), parts.next()) {
        (Some("user"), Some(id)) => id.parse().ok().map(Whose::User),
        (Some("address"), Some(address)) => Some(Whose::Address(address.to_owned())),
        _ => None,
    };
    whose.zip(category).ok_or_else(unknown)
}

fn context(tenant: TenantId) -> String {
    format!("unsubscribe:{tenant}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    #[test]
    fn a_token_holds_for_its_tenant_and_shows_nothing() {
        let fleet = SecretString::from("a fleet secret of more than thirty-two characters".to_owned());
        let (secrets, tenant) = (Secrets::derive(&fleet).unwrap(), TenantId::new());
        for whose in [Whose::User(UserId::new()), Whose::of(None, "Ann@Home.example")] {
            let token = token(&secrets, tenant, &whose, Category::Alerts).unwrap();
            assert_eq!(read(&secrets, tenant, &token).unwrap(), (whose, Category::Alerts));
            assert!(read(&secrets, TenantId::new(), &token).is_err());
            assert!(read(&secrets, tenant, &token[1..]).is_err());
        }
        let owed = token(&secrets, tenant, &Whose::of(None, "a@b.example"), Category::Billing).unwrap();
        assert!(read(&secrets, tenant, &owed).is_err(), "what is owed cannot be unsubscribed from");
    }
}
