//! The tenant that is posted to: an issuing account and customers with enough units for any run.

use contracts::vbwd::wallet::v1 as proto;
use futures::{StreamExt as _, TryStreamExt as _};
use proto::AccountKind;
use uuid::Uuid;

use crate::grpc::framed;
use crate::ledger::batches::{self, BATCH, Load};
use crate::ledger::stand::Wallet;
use crate::requests::{Batch, Move, Random, fresh_id};

/// Calls under way while accounts are opened; connections they share.
const OPENING: usize = 256;
const CONNECTIONS: usize = 4;
/// What every customer begins with.
const FUNDS: i64 = 1_000_000_000_000;

/// The accounts of a tenant.
pub struct Target {
    pub issuance: Uuid,
    pub customers: Vec<Uuid>,
}

impl Target {
    /// Opens an issuing account and funded customers.
    pub async fn open(wallet: &Wallet, customers: usize) -> anyhow::Result<Self> {
        let mut random = Random::new();
        let issuance = fresh_id(&mut random);
        let system = (issuance, AccountKind::Issuance);
        open(wallet, vec![system]).await?;
        let mut target = Self { issuance, customers: Vec::new() };
        target.add(wallet, customers).await?;
        target.fund(wallet, &target.customers).await?;
        Ok(target)
    }

    /// Opens more customers, without units.
    pub async fn add(&mut self, wallet: &Wallet, customers: usize) -> anyhow::Result<()> {
        let mut random = Random::new();
        let ids: Vec<_> = (0..customers).map(|_| fresh_id(&mut random)).collect();
        open(wallet, ids.iter().map(|id| (*id, AccountKind::Customer)).collect()).await?;
        self.customers.extend(ids);
        Ok(())
    }

    async fn fund(&self, wallet: &Wallet, customers: &[Uuid]) -> anyhow::Result<()> {
        let moves: Vec<Move> = customers.iter().map(|customer| (self.issuance, *customer, FUNDS)).collect();
        let templates = moves.chunks(BATCH).map(Batch::new).collect::<anyhow::Result<Vec<_>>>()?;
        let once = Load { clients: 1, window: 1, batches: templates.len(), ..Load::default() };
        let done = batches::drive(wallet, &templates, &once).await?;
        anyhow::ensure!(done.refused == 0, "{} customers could not be funded", done.refused);
        Ok(())
    }

    /// Grants every customer from the `from`th on a lot of its own.
    pub async fn grant_lots(&self, wallet: &Wallet, from: usize) -> anyhow::Result<()> {
        let (caller, connection) = (wallet.caller("ExecuteBatch")?, wallet.connect().await?);
        let mut random = Random::new();
        for customers in self.customers.get(from..).unwrap_or_default().chunks(4_096) {
            let commands = customers.iter().map(|customer| {
                let grant = proto::GrantRequest {
                    operation_id: fresh_id(&mut random).to_string(),
                    debit_account_id: self.issuance.to_string(),
                    credit_account_id: customer.to_string(),
                    amount: FUNDS,
                    source: "plan".to_owned(),
                    priority: 10,
                    reason: "bench".to_owned(),
                    ..proto::GrantRequest::default()
                };
                proto::LedgerCommand { command: Some(proto::ledger_command::Command::Grant(grant)) }
            });
            let message = proto::ExecuteBatchRequest { commands: commands.collect() };
            let answer = connection.unary(caller.call()?, framed(&message)?.into()).await?;
            let answer = answer.map_err(anyhow::Error::msg)?;
            let answer: proto::ExecuteBatchResponse = prost::Message::decode(answer)?;
            let refused = answer.results.iter().find(|result| !result.code.is_empty());
            anyhow::ensure!(refused.is_none(), "a grant was refused: {refused:?}");
        }
        Ok(())
    }

    /// Batches of posts between customers, every account as likely as any other.
    pub fn uniform(&self, posts: usize, templates: usize) -> anyhow::Result<Vec<Batch>> {
        self.batches(posts, templates, |random, customers| random.pair_below(customers))
    }

    /// Batches of posts by which customers spend, every account as likely as any other. What is spent
    /// leaves its lot, and no new one comes of it.
    pub fn spending(&self, posts: usize, templates: usize) -> anyhow::Result<Vec<Batch>> {
        let mut random = Random::new();
        let mut spend = || (self.customers[random.below(self.customers.len())], self.issuance, 1);
        let mut template = || Batch::new(&(0..posts).map(|_| spend()).collect::<Vec<Move>>());
        (0..templates).map(|_| template()).collect()
    }

    /// The same with one customer on one side of every post, in turn.
    pub fn hot(&self, posts: usize, templates: usize) -> anyhow::Result<Vec<Batch>> {
        let mut gives = false;
        self.batches(posts, templates, move |random, customers| {
            gives = !gives;
            let other = 1 + random.below(customers - 1);
            if gives { (0, other) } else { (other, 0) }
        })
    }

    fn batches(
        &self,
        posts: usize,
        templates: usize,
        mut pair: impl FnMut(&mut Random, usize) -> (usize, usize),
    ) -> anyhow::Result<Vec<Batch>> {
        let mut random = Random::new();
        let mut a_move = || {
            let (debit, credit) = pair(&mut random, self.customers.len());
            (self.customers[debit], self.customers[credit], 1)
        };
        let mut template = || Batch::new(&(0..posts).map(|_| a_move()).collect::<Vec<Move>>());
        (0..templates).map(|_| template()).collect()
    }
}

async fn open(wallet: &Wallet, accounts: Vec<(Uuid, AccountKind)>) -> anyhow::Result<()> {
    let caller = wallet.caller("OpenAccount")?;
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(wallet.connect().await?);
    }
    let opening = accounts.into_iter().enumerate().map(|(nth, (id, kind))| {
        let message = proto::OpenAccountRequest {
            account_id: id.to_string(),
            kind: kind.into(),
            asset: "TOKEN".to_owned(),
            // Every customer is a user of its own; any id will do.
            owner_user_id: if kind == AccountKind::Customer { id.to_string() } else { String::new() },
        };
        let (connection, call) = (&connections[nth % CONNECTIONS], caller.call());
        async move {
            let answer = connection.unary(call?, framed(&message)?.into()).await?;
            answer.map(drop).map_err(anyhow::Error::msg)
        }
    });
    futures::stream::iter(opening).buffer_unordered(OPENING).try_collect::<()>().await
}
