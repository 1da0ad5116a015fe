//! What the sandbox does, whoever asks: the API and the pages are two doors to these verbs.

use std::sync::Arc;

use ids::{PaymentId, RefundId};
use jiff::Timestamp;
use kernel::Clock;
use money::Currency;
use sqlx::PgPool;
use tokio::sync::Notify;

use crate::behaviour::{Behaviour, Manner, behaviour, charging, saving};
use crate::credentials::Credentials;
use crate::payment::{CreatePayment, CreateRefund, Payment, Status};
use crate::refusal::Refusal;
use crate::rules::Change;
use crate::store::{self, Key, storage_refusal};
use crate::webhook::webhooks;

/// The sandbox provider.
#[derive(Clone)]
pub struct Sandbox(Arc<Inner>);

struct Inner {
    pool: PgPool,
    clock: Arc<dyn Clock>,
    credentials: Credentials,
    public_url: String,
    due: Notify,
}

impl Sandbox {
    /// A sandbox with its books in `pool`, whose pages browsers find at `public_url`.
    #[must_use]
    pub fn new(pool: PgPool, clock: Arc<dyn Clock>, credentials: Credentials, public_url: &str) -> Self {
        let public_url = public_url.trim_end_matches('/').to_owned();
        Self(Arc::new(Inner { pool, clock, credentials, public_url, due: Notify::new() }))
    }

    /// Makes a payment, or answers the one that was made with the same key.
    pub(crate) async fn create(&self, wish: CreatePayment, key: Option<Key>) -> Result<Payment, Refusal> {
        let behaviour = match &wish.token {
            Some(token) => self.charged(&wish, token).await?,
            None => check(&wish)?,
        };
        let now = self.now();
        let payment = self.begin(wish, behaviour, now);
        let key = key.unwrap_or_else(|| Key { key: payment.id.clone(), body_hash: Vec::new() });
        let news = match payment.status {
            Status::RequiresAction => Vec::new(), // the answer says it; there is no news yet
            status => webhooks(behaviour.manner, status.event(), &payment, now),
        };
        let earlier = store::insert(&self.0.pool, &key, &payment, &news, now).await?;
        self.0.due.notify_one();
        Ok(earlier.unwrap_or(payment))
    }

    fn begin(&self, wish: CreatePayment, behaviour: Behaviour, now: Timestamp) -> Payment {
        let id = format!("pay_{}", PaymentId::new().as_uuid().simple());
        let page = format!("{}/pay/{id}", self.0.public_url);
        let saves = wish.purpose == "setup" || wish.save;
        let reserved = wish.manual && behaviour.status == Status::Captured;
        let status = if reserved { Status::Authorized } else { behaviour.status };
        let mut payment = Payment {
            id,
            reference: wish.reference,
            status,
            amount: wish.amount,
            currency: wish.currency,
            amount_captured: 0,
            rest_reserved: false,
            amount_refunded: 0,
            disputes: Vec::new(),
            purpose: wish.purpose,
            manual: wish.manual,
            save: wish.save,
            instrument: None,
            method: wish.method,
            description: wish.description,
            return_url: wish.return_url,
            redirect_url: (behaviour.status == Status::RequiresAction).then_some(page),
            failure_code: behaviour.failure_code.map(str::to_owned),
            refunds: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        if saves && matches!(status, Status::Saved | Status::Captured | Status::Authorized) {
            payment.save_method();
        }
        payment
    }

    /// What charging a saved method does: the method that was saved decides.
    async fn charged(&self, wish: &CreatePayment, token: &str) -> Result<Behaviour, Refusal> {
        let origin = format!("pay_{}", token.trim_start_matches("met_"));
        let unknown = || Refusal::new(402, "payment_method_unknown", "There is no such saved method.");
        let origin = self.get(&origin).await.map_err(|_| unknown())?;
        if origin.instrument.as_ref().is_none_or(|instrument| instrument.token != token) {
            return Err(unknown());
        }
        check(&CreatePayment { method: origin.method.clone(), ..wish.clone() })?;
        charging(&origin.method, wish.amount, wish.off_session).ok_or_else(unknown)
    }

    /// Forgets a saved method.
    pub(crate) async fn forget(&self, token: &str) -> Result<(), Refusal> {
        let origin = format!("pay_{}", token.trim_start_matches("met_"));
        let forgotten = self.change(&origin, None, |payment, _| {
            payment.instrument = None;
            Ok(Some("method.removed"))
        });
        forgotten.await.map(drop)
    }

    /// Reads a payment.
    pub(crate) async fn get(&self, payment_id: &str) -> Result<Payment, Refusal> {
        let mut connection = self.0.pool.acquire().await.map_err(storage_refusal)?;
        store::read(&mut connection, payment_id).await
    }

    /// Gives money back, once per key.
    pub(crate) async fn refund(
        &self,
        payment_id: &str,
        wish: &CreateRefund,
        key: Option<Key>,
    ) -> Result<Payment, Refusal> {
        let refund_id = format!("ref_{}", RefundId::new().as_uuid().simple());
        self.change(payment_id, key, |payment, now| payment.refund(refund_id, wish, now)).await
    }

    /// Applies a rule to a payment and writes what it changes.
    pub(crate) async fn change(
        &self,
        payment_id: &str,
        key: Option<Key>,
        rule: impl FnOnce(&mut Payment, Timestamp) -> Change + Send,
    ) -> Result<Payment, Refusal> {
        let now = self.now();
        let mut transaction =
            eventstore::begin_whole(&self.0.pool, "BEGIN").await.map_err(storage_refusal)?;
        let mut payment = store::lock(&mut transaction, payment_id).await?;
        if let Some(key) = &key
            && !store::claim(&mut transaction, key, payment_id, now).await?
        {
            return Ok(payment);
        }
        if let Some(event) = rule(&mut payment, now)? {
            let news = webhooks(manner_of(&payment), event, &payment, now);
            store::update(&mut transaction, &payment, &news).await?;
        }
        transaction.commit().await.map_err(storage_refusal)?;
        self.0.due.notify_one();
        Ok(payment)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.0.clock.wall()
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.0.credentials
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.0.pool
    }

    /// Woken when a webhook may be due.
    pub(crate) fn due(&self) -> &Notify {
        &self.0.due
    }
}

fn manner_of(payment: &Payment) -> Manner {
    behaviour(&payment.method, payment.amount).map_or(Manner::Prompt, |behaviour| behaviour.manner)
}

fn check(wish: &CreatePayment) -> Result<Behaviour, Refusal> {
    let setup = wish.purpose == "setup";
    let found = if setup { saving(&wish.method) } else { behaviour(&wish.method, wish.amount) };
    let behaviour =
        found.ok_or_else(|| Refusal::invalid("method_unknown", "There is no such payment method."))?;
    if wish.amount <= 0 && !setup {
        return Err(Refusal::invalid("amount_invalid", "An amount is above zero."));
    }
    if wish.currency.parse::<Currency>().is_err() {
        return Err(Refusal::invalid("currency_unknown", "There is no such currency."));
    }
    if behaviour.status == Status::RequiresAction && !is_web_address(&wish.return_url) {
        return Err(Refusal::invalid("return_url_invalid", "This method needs an http(s) return_url."));
    }
    Ok(behaviour)
}

fn is_web_address(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}
