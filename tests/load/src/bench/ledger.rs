//! The ledger: unary posts over gRPC at several numbers in flight.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use contracts::vbwd::wallet::v1::ledger_service_client::LedgerServiceClient;
use contracts::vbwd::wallet::v1::{AccountKind, OpenAccountRequest, PostRequest, Posting};
use tonic::transport::Channel;

use crate::figures::Figures;
use crate::stand::Stand;
use crate::workload::{self, Worker};

const ACCOUNTS: usize = 1_000;

struct Post {
    client: LedgerServiceClient<Channel>,
    assertion: Rc<RefCell<String>>,
    stand: Arc<Accounts>,
}

struct Accounts {
    issuance: String,
    customers: Vec<String>,
}

impl Worker for Post {
    async fn once(&mut self, nth: usize) -> anyhow::Result<bool> {
        let posting = Posting {
            debit_account_id: self.stand.issuance.clone(),
            credit_account_id: self.stand.customers[nth % ACCOUNTS].clone(),
            amount: 1,
        };
        let post = PostRequest {
            operation_id: uuid::Uuid::now_v7().to_string(),
            postings: vec![posting],
            reason: "bench".to_owned(),
            ..PostRequest::default()
        };
        let mut request = tonic::Request::new(post);
        request.metadata_mut().insert(auth::METADATA_KEY, self.assertion.borrow().parse()?);
        Ok(self.client.post(request).await.is_ok())
    }
}

/// Posts at 1, 8, 64 and 512 in flight, over four connections.
pub async fn unary(stand: &Stand, time: Duration, figures: &mut Figures) -> anyhow::Result<()> {
    let mut channels = Vec::new();
    for _ in 0..4 {
        channels.push(stand.ledger_channel().await?);
    }
    let assertion = Rc::new(RefCell::new(stand.assertion()?));
    let first = stand.assertion()?;
    let accounts = Arc::new(open_accounts(&channels[0], &first).await?);
    for in_flight in [1_usize, 8, 64, 512] {
        *assertion.borrow_mut() = stand.assertion()?;
        let workers = (0..in_flight).map(|nth| Post {
            client: LedgerServiceClient::new(channels[nth % channels.len()].clone()),
            assertion: Rc::clone(&assertion),
            stand: Arc::clone(&accounts),
        });
        let run = workload::run(workers.collect(), time).await?;
        figures.add_run(&format!("ledger.unary_{in_flight}"), &run, "posts/s")?;
    }
    Ok(())
}

async fn open_accounts(channel: &Channel, assertion: &str) -> anyhow::Result<Accounts> {
    let client = LedgerServiceClient::new(channel.clone());
    let open = |kind: AccountKind, owner: String| {
        let mut client = client.clone();
        let request = OpenAccountRequest {
            account_id: uuid::Uuid::now_v7().to_string(),
            kind: kind.into(),
            asset: "TOKEN".to_owned(),
            owner_user_id: owner,
        };
        let assertion = assertion.to_owned();
        async move {
            let id = request.account_id.clone();
            let mut request = tonic::Request::new(request);
            request.metadata_mut().insert(auth::METADATA_KEY, assertion.parse()?);
            client.open_account(request).await?;
            anyhow::Ok(id)
        }
    };
    let owner = || uuid::Uuid::now_v7().to_string();
    let customers = (0..ACCOUNTS).map(|_| open(AccountKind::Customer, owner()));
    Ok(Accounts {
        issuance: open(AccountKind::Promo, String::new()).await?,
        customers: futures::future::try_join_all(customers).await?,
    })
}
