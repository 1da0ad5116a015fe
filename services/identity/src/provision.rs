//! Tenants and users that nobody registered: for operators, demos and tests.
//!
//! Everything here may be repeated: a tenant is known by its slug, a user by the address. What is
//! there already stays as it is.

use auth::PLATFORM_TENANT;
use eventstore::CommandContext;
use fault::{Code, Fault};
use ids::{OperationId, TenantId, UserId};
use runtime::Platform;
use secrecy::SecretString;

use crate::app::NewAccount;
use crate::rules::roles::{CUSTOMER, OPERATOR, OWNER};
use crate::tables::{roles, tenants};
use crate::{Config, Identity};

/// A tenant to be.
#[derive(Debug, Clone, Copy)]
pub struct NewTenant<'a> {
    /// Short name in addresses: lower case letters, digits, hyphens.
    pub slug: &'a str,
    /// Name to show.
    pub name: &'a str,
    /// ISO 4217 code used when a request names none.
    pub default_currency: &'a str,
    /// BCP 47.
    pub locale: &'a str,
    /// Hosts it answers on, lower case, without port.
    pub hosts: &'a [&'a str],
}

/// A user to be.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// Address.
    pub email: &'a str,
    /// Password; the rules for passwords apply.
    pub password: &'a str,
    /// Name to show.
    pub display_name: &'a str,
    /// Roles to hold.
    pub roles: &'a [&'a str],
}

/// The demo tenant and its people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DemoTenant {
    /// The tenant, slug `demo`.
    pub tenant: TenantId,
    /// `admin@demo.example`, role `owner`.
    pub admin: UserId,
    /// `customer@demo.example`, role `customer`.
    pub customer: UserId,
}

/// Creates tenants and users.
pub struct Provisioner(Identity);

impl Provisioner {
    /// A provisioner over the platform's database.
    ///
    /// # Errors
    /// When the settings are out of range.
    pub fn new(platform: &Platform, config: Config) -> fault::Result<Self> {
        crate::build(platform, config).map(Self)
    }

    /// The platform's own tenant with its first operator, who is also its owner. Works once: afterwards
    /// operators make operators, and this refuses.
    ///
    /// # Errors
    /// `platform_has_operators`, `host_taken`; an unfit address or password.
    pub async fn platform(&self, host: &str, operator: NewUser<'_>) -> fault::Result<UserId> {
        crate::rules::tenant::check_host(host)?;
        let row = tenants::NewTenant {
            id: PLATFORM_TENANT,
            slug: "platform",
            name: "Platform",
            default_currency: "EUR",
            locale: "en",
            at: self.0.clock.wall(),
        };
        let mut unit = self.0.store.begin_worker(None).await?;
        if tenants::insert(unit.connection(), &row).await? != PLATFORM_TENANT {
            return Err(crate::rejection::Rejection::SlugTaken.into());
        }
        tenants::lock_administration(unit.connection(), PLATFORM_TENANT).await?;
        if tenants::give_host(unit.connection(), PLATFORM_TENANT, host).await? != PLATFORM_TENANT {
            return Err(crate::rejection::Rejection::HostTaken { host: host.to_owned() }.into());
        }
        if roles::holders(unit.connection(), PLATFORM_TENANT, OPERATOR.name).await? > 0 {
            let message = "The platform has operators already; they can make others.";
            return Err(Fault::rejected("platform_has_operators", message));
        }
        unit.commit().await?;
        self.user(PLATFORM_TENANT, NewUser { roles: &[OWNER, OPERATOR.name], ..operator }).await
    }

    /// The tenant with this slug, created if it is not there, answering on its hosts.
    ///
    /// # Errors
    /// `host_taken` when another tenant answers on one of the hosts.
    pub async fn tenant(&self, new: NewTenant<'_>) -> fault::Result<TenantId> {
        let row = tenants::NewTenant {
            id: TenantId::new(),
            slug: new.slug,
            name: new.name,
            default_currency: new.default_currency,
            locale: new.locale,
            at: self.0.clock.wall(),
        };
        let mut unit = self.0.store.begin_worker(None).await?;
        let tenant = tenants::insert(unit.connection(), &row).await?;
        for host in new.hosts {
            let holder = tenants::give_host(unit.connection(), tenant, host).await?;
            if holder != tenant {
                return Err(Fault::new(
                    Code::AlreadyExists,
                    "host_taken",
                    "Another tenant answers on the host.",
                )
                .with_fact("host", host));
            }
        }
        unit.commit().await?;
        Ok(tenant)
    }

    /// The user with this address, created if there is none.
    ///
    /// # Errors
    /// When address or password are unfit.
    pub async fn user(&self, tenant: TenantId, new: NewUser<'_>) -> fault::Result<UserId> {
        if let Some(user) = self.known(tenant, new.email).await? {
            return Ok(user);
        }
        let roles: Vec<_> = new.roles.iter().map(|role| (*role).to_owned()).collect();
        let account = NewAccount {
            email: new.email,
            password: SecretString::from(new.password.to_owned()),
            display_name: new.display_name,
            roles: &roles,
        };
        self.0.create_user(&self.context(tenant), account).await
    }

    async fn known(&self, tenant: TenantId, email: &str) -> fault::Result<Option<UserId>> {
        let Some(email) = crate::rules::email::EmailAddress::parse(email) else {
            return Ok(None);
        };
        let mut transaction = self.0.store.read(tenant).await?;
        let known = crate::tables::users::credentials(&mut transaction, tenant, &email).await?;
        transaction.rollback().await.map_err(eventstore::storage)?;
        Ok(known.map(|known| known.user))
    }

    fn context(&self, tenant: TenantId) -> CommandContext {
        let operation_id = OperationId::new();
        CommandContext {
            tenant,
            actor: format!("service:{}", crate::NAME),
            operation_id,
            correlation_id: operation_id.as_uuid(),
            causation_id: None,
            traceparent: None,
            at: self.0.clock.now(tenant),
        }
    }
}

/// The demo tenant with an administrator and a customer, whose passwords everybody knows; so it is
/// refused in production.
///
/// # Errors
/// `development_only`; faults of the database.
pub async fn seed_demo(platform: &Platform, config: Config) -> fault::Result<DemoTenant> {
    platform.development_only("the demo tenant")?;
    let provisioner = Provisioner::new(platform, config)?;
    let demo = NewTenant {
        slug: "demo",
        name: "Demo",
        default_currency: "EUR",
        locale: "en",
        hosts: &["localhost", "127.0.0.1", "demo.localhost"],
    };
    let tenant = provisioner.tenant(demo).await?;
    let admin = NewUser {
        email: "admin@demo.example",
        password: "vbwd-demo-admin",
        display_name: "Demo Admin",
        roles: &[OWNER],
    };
    let customer = NewUser {
        email: "customer@demo.example",
        password: "vbwd-demo-customer",
        display_name: "Demo Customer",
        roles: &[CUSTOMER],
    };
    Ok(DemoTenant {
        tenant,
        admin: provisioner.user(tenant, admin).await?,
        customer: provisioner.user(tenant, customer).await?,
    })
}
