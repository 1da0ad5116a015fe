//! The roles a process can play.

use std::fmt;

use clap::ValueEnum;

/// One part of the fleet that can run on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, ValueEnum)]
pub enum Role {
    /// Tenants, users, sessions, permissions.
    Identity,
    /// Token wallet and bundles.
    Wallet,
    /// Checkout and invoices.
    Invoicing,
    /// Plans and subscriptions.
    Subscription,
    /// Payments through providers.
    Payments,
    /// E-mail, outbound webhooks, notifications.
    Notify,
    /// The sandbox payment provider, for development and tests.
    Sandbox,
    /// The HTTP edge.
    Gateway,
}

impl Role {
    /// Every role, in the order in which they start.
    pub const ALL: [Self; 8] = [
        Self::Identity,
        Self::Notify,
        Self::Wallet,
        Self::Subscription,
        Self::Payments,
        Self::Sandbox,
        Self::Invoicing,
        Self::Gateway,
    ];

    /// Its name on the command line, in addresses, schemas and log-in roles.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Wallet => "wallet",
            Self::Invoicing => "invoicing",
            Self::Subscription => "subscription",
            Self::Payments => "payments",
            Self::Notify => "notify",
            Self::Sandbox => "sandbox",
            Self::Gateway => "gateway",
        }
    }

    /// Whether it answers gRPC.
    #[must_use]
    pub const fn answers_grpc(self) -> bool {
        !matches!(self, Self::Sandbox | Self::Gateway)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
