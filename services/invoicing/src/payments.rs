//! The payments service, as invoicing calls it.
//!
//! A payment's id follows from its invoice and the number of the attempt, so creating it again
//! answers the same payment. Which methods exist is remembered for some seconds: it is asked for
//! every checkout and changes with a deployment.

use std::sync::Arc;
use std::time::Duration;

use contracts::vbwd::payments::v1::payment_service_client::PaymentServiceClient;
use contracts::vbwd::payments::v1::{
    CreatePaymentRequest, GetPaymentRequest, ListPaymentMethodsRequest, Payment, RefundPaymentRequest,
    VoidPaymentRequest,
};
use eventstore::CommandContext;
use fault::{Code, Fault};
use ids::{InvoiceId, PaymentId, TenantId};
use invoicing_domain::{Attempt, Opened};
use moka::future::Cache;
use money::{Currency, Money};
use runtime::{Channel, Peer, Platform};

use crate::grpc::convert::{invalid, money_proto};

type Methods = Cache<(TenantId, Currency, String), Arc<Vec<String>>>;

/// The payments service.
pub(crate) struct Payments {
    peer: Peer,
    methods: Methods,
}

/// The payment of the `nth` attempt (from 1) to pay an invoice.
pub(crate) fn payment_id(invoice: InvoiceId, nth: usize) -> PaymentId {
    PaymentId::derived(&["payment", &invoice.to_string(), &nth.to_string()])
}

impl Payments {
    pub(crate) fn new(platform: &Platform, methods_ttl: Duration) -> fault::Result<Self> {
        let methods = Cache::builder().max_capacity(10_000).time_to_live(methods_ttl).build();
        Ok(Self { peer: platform.peer("invoicing", "payments")?, methods })
    }

    /// Refuses a method that does not exist for this currency and country.
    pub(crate) async fn check_method(
        &self,
        context: &CommandContext,
        method: &str,
        currency: Currency,
        country: &str,
    ) -> fault::Result<()> {
        if method.is_empty() {
            return Err(invalid("/payment_method", "payment_method_required", "Name a payment method."));
        }
        let key = (context.tenant, currency, country.to_owned());
        let codes = self.methods.try_get_with(key, self.method_codes(context, currency, country)).await;
        let codes = codes.map_err(|fault| {
            Fault::new(
                fault.code(),
                "payment_methods_unavailable",
                "The payment methods cannot be listed right now; try again.",
            )
            .with_source(fault)
        })?;
        if codes.iter().any(|code| code == method) {
            return Ok(());
        }
        Err(invalid("/payment_method", "payment_method_unknown", "There is no such payment method here."))
    }

    /// Starts the payment of an attempt, or answers the one that was started.
    pub(crate) async fn create(
        &self,
        context: &CommandContext,
        (invoice, opened): (InvoiceId, &Opened),
        attempt: &Attempt,
    ) -> fault::Result<Payment> {
        let request = CreatePaymentRequest {
            payment_id: attempt.payment_id.to_string(),
            invoice_id: invoice.to_string(),
            user_id: opened.user_id.to_string(),
            amount: Some(money_proto(opened.total)),
            method: attempt.method.clone(),
            return_url: attempt.return_url.clone(),
            description: opened.number.to_string(),
            ..CreatePaymentRequest::default()
        };
        let answer = self.client().create_payment(self.peer.request(context, request)?).await?;
        answer.into_inner().payment.ok_or_else(|| Fault::internal("payments answered no payment"))
    }

    /// How a payment stands; `None` if payments has never heard of it.
    pub(crate) async fn fetch(
        &self,
        context: &CommandContext,
        payment: PaymentId,
    ) -> fault::Result<Option<Payment>> {
        let request = GetPaymentRequest { payment_id: payment.to_string() };
        match self.client().get_payment(self.peer.request(context, request)?).await.map_err(Fault::from) {
            Ok(answer) => Ok(answer.into_inner().payment),
            Err(fault) if fault.code() == Code::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Gives up a payment before its money arrives. One that is unknown or has come to its end
    /// stays as it is.
    pub(crate) async fn give_up(&self, context: &CommandContext, payment: PaymentId) -> fault::Result<()> {
        let request = VoidPaymentRequest { payment_id: payment.to_string() };
        match self.client().void_payment(self.peer.request(context, request)?).await.map_err(Fault::from) {
            Err(fault) if !matches!(fault.code(), Code::NotFound | Code::Rejected) => Err(fault),
            _ => Ok(()),
        }
    }

    /// Gives money back; the operation id of `context` makes it happen once.
    pub(crate) async fn refund(
        &self,
        context: &CommandContext,
        payment: PaymentId,
        amount: Money,
        reason: &str,
    ) -> fault::Result<()> {
        let request = RefundPaymentRequest {
            payment_id: payment.to_string(),
            amount: Some(money_proto(amount)),
            reason: reason.to_owned(),
        };
        self.client().refund_payment(self.peer.request(context, request)?).await?;
        Ok(())
    }

    async fn method_codes(
        &self,
        context: &CommandContext,
        currency: Currency,
        country: &str,
    ) -> fault::Result<Arc<Vec<String>>> {
        let request = ListPaymentMethodsRequest {
            currency: currency.code().to_owned(),
            country: country.to_owned(),
            ..ListPaymentMethodsRequest::default()
        };
        let answer = self.client().list_payment_methods(self.peer.request(context, request)?).await?;
        Ok(Arc::new(answer.into_inner().methods.into_iter().map(|method| method.code).collect()))
    }

    fn client(&self) -> PaymentServiceClient<Channel> {
        PaymentServiceClient::new(self.peer.channel())
    }
}
