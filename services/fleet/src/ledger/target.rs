//! What `export` and `verify` need of an installation: the wallet's tables and its journal.

use journal::AnyJournal;
use wallet::Store;

use crate::config::Config;

/// The ledger of an installation. Nothing is connected before it is needed.
pub(super) struct Target {
    pub(super) store: Store,
    pub(super) journal: AnyJournal,
}

impl Target {
    pub(super) fn of(config: &Config) -> fault::Result<Self> {
        let store = Store::new(runtime::database::pool(&config.database, wallet::NAME)?);
        let journal = wallet::chosen_journal(&config.wallet, &store)?;
        Ok(Self { store, journal })
    }
}
