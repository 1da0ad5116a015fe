//! Services that say what they saw.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::Jwk;
use contracts::vbwd::identity::v1::auth_service_server::AuthService;
use contracts::vbwd::identity::v1::routing_service_server::RoutingService;
use contracts::vbwd::identity::v1::tenant_service_server::TenantService;
use contracts::vbwd::identity::v1::*;
use contracts::vbwd::invoicing::v1::checkout_service_server::CheckoutService;
use contracts::vbwd::invoicing::v1::*;
use contracts::vbwd::notify::v1::notification_service_server::NotificationService;
use contracts::vbwd::notify::v1::*;
use contracts::vbwd::payments::v1::webhook_service_server::WebhookService;
use contracts::vbwd::payments::v1::{ReceiveWebhookRequest, ReceiveWebhookResponse};
use contracts::vbwd::wallet::v1::token_bundle_service_server::TokenBundleService;
use contracts::vbwd::wallet::v1::wallet_service_server::WalletService;
use contracts::vbwd::wallet::v1::*;
use fault::Fault;
use futures::Stream;
use ids::TenantId;
use std::pin::Pin;
use tokio::sync::broadcast;
use tonic::{Request, Response, Status};

/// Counts a stream for as long as it lives.
pub struct Watching(Arc<Seen>);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.watching.fetch_sub(1, Ordering::SeqCst);
    }
}

type Answer<T> = Result<Response<T>, Status>;

fn not_faked<T>() -> Answer<T> {
    Err(Status::unimplemented("not faked"))
}

/// What all fakes share with the test.
#[derive(Default)]
pub struct Seen {
    pub hosts: Mutex<Vec<(String, TenantId)>>,
    pub keys: Mutex<Vec<Jwk>>,
    pub identity_is_down: Mutex<bool>,
    pub routing: Mutex<Vec<TenantRouting>>,
    pub routing_version: AtomicU32,
    /// Told to everybody who watches.
    pub news: Mutex<Option<broadcast::Sender<String>>>,
    pub watching: AtomicU32,
    pub watched_from: Mutex<Vec<String>>,
    pub key_fetches: AtomicU32,
    pub bundle_lists: AtomicU32,
    pub checkouts: AtomicU32,
    pub operations: Mutex<Vec<String>>,
    pub traceparents: Mutex<Vec<String>>,
}

impl Seen {
    fn up(&self) -> Result<(), Status> {
        if *self.identity_is_down.lock().unwrap() {
            return Err(Fault::unavailable("database_unreachable", "down").into());
        }
        Ok(())
    }
}

#[derive(Clone)]
pub struct Fake(pub Arc<Seen>);

#[tonic::async_trait]
impl TenantService for Fake {
    async fn resolve_tenant(&self, request: Request<ResolveTenantRequest>) -> Answer<ResolveTenantResponse> {
        self.0.up()?;
        assert!(auth::caller(&request)?.is_service());
        let host = request.into_inner().host;
        let known = self.0.hosts.lock().unwrap().iter().find(|(name, _)| *name == host).map(|(_, id)| *id);
        let tenant = known.ok_or_else(|| Fault::not_found("tenant"))?;
        Ok(Response::new(ResolveTenantResponse { tenant_id: tenant.to_string(), ..Default::default() }))
    }
}

#[tonic::async_trait]
impl AuthService for Fake {
    async fn get_jwks(&self, _: Request<GetJwksRequest>) -> Answer<GetJwksResponse> {
        self.0.up()?;
        self.0.key_fetches.fetch_add(1, Ordering::SeqCst);
        let published = self.0.keys.lock().unwrap().clone();
        let keys = published.iter().map(|jwk| JsonWebKey {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: jwk.x.clone(),
            kid: jwk.kid.clone(),
            r#use: "sig".to_owned(),
            alg: "EdDSA".to_owned(),
        });
        Ok(Response::new(GetJwksResponse { keys: keys.collect() }))
    }

    /// Says the caller's address as the session's token.
    async fn log_in(&self, request: Request<LogInRequest>) -> Answer<LogInResponse> {
        let origin = auth::caller(&request)?.origin.clone().unwrap_or_default();
        let session = Session { access_token: origin, ..Session::default() };
        Ok(Response::new(LogInResponse { session: Some(session), challenge: None }))
    }

    async fn get_me(&self, request: Request<GetMeRequest>) -> Answer<GetMeResponse> {
        let caller = auth::caller(&request)?;
        let user = User { user_id: caller.user()?.to_string(), ..User::default() };
        let permissions = caller.permissions.iter().map(str::to_owned).collect();
        Ok(Response::new(GetMeResponse { user: Some(user), permissions, ..GetMeResponse::default() }))
    }

    async fn register(&self, _: Request<RegisterRequest>) -> Answer<RegisterResponse> {
        panic!("a bug in a handler")
    }

    async fn refresh(&self, _: Request<RefreshRequest>) -> Answer<RefreshResponse> {
        not_faked()
    }

    async fn log_out(&self, _: Request<LogOutRequest>) -> Answer<LogOutResponse> {
        tokio::time::sleep(Duration::from_secs(5)).await;
        not_faked()
    }

    async fn rotate_signing_key(
        &self,
        _: Request<RotateSigningKeyRequest>,
    ) -> Answer<RotateSigningKeyResponse> {
        not_faked()
    }
}

#[tonic::async_trait]
impl WalletService for Fake {
    async fn get_my_balance(&self, request: Request<GetMyBalanceRequest>) -> Answer<GetMyBalanceResponse> {
        let traceparent = request.metadata().get("traceparent").unwrap().to_str().unwrap().to_owned();
        self.0.traceparents.lock().unwrap().push(traceparent);
        let caller = auth::caller(&request)?;
        let balance = Balance {
            account_id: caller.user()?.to_string(),
            asset: caller.tenant.to_string(),
            posted: 9_007_199_254_740_993,
            position: request.get_ref().min_position.clone(),
            ..Balance::default()
        };
        Ok(Response::new(GetMyBalanceResponse { balances: vec![balance] }))
    }

    /// As many entries as a page shall have.
    async fn list_my_entries(&self, request: Request<ListMyEntriesRequest>) -> Answer<ListMyEntriesResponse> {
        let size = usize::try_from(request.get_ref().page_size).unwrap();
        let entry = Entry { reference: "invoice/0198c5a0".to_owned(), ..Entry::default() };
        Ok(Response::new(ListMyEntriesResponse { entries: vec![entry; size], next_cursor: String::new() }))
    }

    async fn transfer(&self, _: Request<TransferRequest>) -> Answer<TransferResponse> {
        not_faked()
    }
}

#[tonic::async_trait]
impl TokenBundleService for Fake {
    async fn list_token_bundles(
        &self,
        _: Request<ListTokenBundlesRequest>,
    ) -> Answer<ListTokenBundlesResponse> {
        let nth = self.0.bundle_lists.fetch_add(1, Ordering::SeqCst);
        let bundle = TokenBundle { name: format!("list {nth}"), ..TokenBundle::default() };
        Ok(Response::new(ListTokenBundlesResponse { bundles: vec![bundle] }))
    }

    async fn get_token_bundle(
        &self,
        request: Request<GetTokenBundleRequest>,
    ) -> Answer<GetTokenBundleResponse> {
        Err(Fault::not_found("bundle").with_fact("bundle_id", &request.get_ref().bundle_id).into())
    }

    async fn list_all_token_bundles(
        &self,
        _: Request<ListAllTokenBundlesRequest>,
    ) -> Answer<ListAllTokenBundlesResponse> {
        Ok(Response::new(ListAllTokenBundlesResponse::default()))
    }

    async fn create_token_bundle(
        &self,
        request: Request<CreateTokenBundleRequest>,
    ) -> Answer<CreateTokenBundleResponse> {
        let asked = request.into_inner();
        let bundle = TokenBundle { name: asked.name, prices: asked.prices, ..TokenBundle::default() };
        Ok(Response::new(CreateTokenBundleResponse { bundle: Some(bundle) }))
    }

    async fn update_token_bundle(
        &self,
        _: Request<UpdateTokenBundleRequest>,
    ) -> Answer<UpdateTokenBundleResponse> {
        not_faked()
    }

    async fn delete_token_bundle(
        &self,
        _: Request<DeleteTokenBundleRequest>,
    ) -> Answer<DeleteTokenBundleResponse> {
        Ok(Response::new(DeleteTokenBundleResponse {}))
    }
}

#[tonic::async_trait]
impl CheckoutService for Fake {
    /// Counts; the country decides how it ends.
    async fn create_checkout(
        &self,
        request: Request<CreateCheckoutRequest>,
    ) -> Answer<CreateCheckoutResponse> {
        let nth = self.0.checkouts.fetch_add(1, Ordering::SeqCst);
        let operation = request.metadata().get("vbwd-operation-id").unwrap().to_str().unwrap().to_owned();
        self.0.operations.lock().unwrap().push(operation.clone());
        tokio::time::sleep(Duration::from_millis(50)).await;
        let asked = request.into_inner();
        match asked.billing_country.as_str() {
            "XX" => return Err(Fault::rejected("bundle_inactive", "Not on sale.").into()),
            "YY" if nth == 0 => return Err(Fault::unavailable("database_unreachable", "down").into()),
            "ZZ" => tokio::time::sleep(Duration::from_secs(60)).await,
            _ => {}
        }
        let lines = asked.lines.into_iter().map(|line| InvoiceLine {
            kind: line.kind,
            item_id: line.item_id,
            quantity: line.quantity,
            ..InvoiceLine::default()
        });
        let invoice = Invoice {
            invoice_id: operation,
            number: format!("{nth}"),
            status: InvoiceStatus::Open.into(),
            lines: lines.collect(),
            ..Invoice::default()
        };
        Ok(Response::new(CreateCheckoutResponse { invoice: Some(invoice), ..Default::default() }))
    }

    async fn preview_checkout(&self, _: Request<PreviewCheckoutRequest>) -> Answer<PreviewCheckoutResponse> {
        let fault = Fault::invalid("/lines/0/quantity", "out_of_range", "A quantity is 1 to 1000000.");
        Err(fault.with_fact("maximum", 1_000_000).into())
    }
}

#[tonic::async_trait]
impl WebhookService for Fake {
    /// Says what it was signed with.
    async fn receive_webhook(
        &self,
        request: Request<ReceiveWebhookRequest>,
    ) -> Answer<ReceiveWebhookResponse> {
        assert!(auth::caller(&request)?.is_anonymous());
        let call = request.into_inner();
        let signature = call.headers.get("x-signature").cloned().unwrap_or_default();
        let outcome = format!("{} {signature} {}", call.provider, String::from_utf8_lossy(&call.body));
        Ok(Response::new(ReceiveWebhookResponse { outcome }))
    }
}

#[tonic::async_trait]
impl RoutingService for Fake {
    async fn get_routing_table(
        &self,
        request: Request<GetRoutingTableRequest>,
    ) -> Answer<GetRoutingTableResponse> {
        self.0.up()?;
        let version = self.0.routing_version.load(Ordering::SeqCst).to_string();
        let known = request.get_ref().version == version;
        let tenants = if known { Vec::new() } else { self.0.routing.lock().unwrap().clone() };
        Ok(Response::new(GetRoutingTableResponse { version, tenants }))
    }

    async fn list_routing_rules(
        &self,
        _: Request<ListRoutingRulesRequest>,
    ) -> Answer<ListRoutingRulesResponse> {
        not_faked()
    }

    async fn create_routing_rule(
        &self,
        _: Request<CreateRoutingRuleRequest>,
    ) -> Answer<CreateRoutingRuleResponse> {
        not_faked()
    }

    async fn update_routing_rule(
        &self,
        _: Request<UpdateRoutingRuleRequest>,
    ) -> Answer<UpdateRoutingRuleResponse> {
        not_faked()
    }

    async fn delete_routing_rule(
        &self,
        _: Request<DeleteRoutingRuleRequest>,
    ) -> Answer<DeleteRoutingRuleResponse> {
        not_faked()
    }

    async fn explain_route(&self, _: Request<ExplainRouteRequest>) -> Answer<ExplainRouteResponse> {
        not_faked()
    }

    async fn set_guest_hosts(&self, _: Request<SetGuestHostsRequest>) -> Answer<SetGuestHostsResponse> {
        not_faked()
    }

    async fn set_allowed_origins(
        &self,
        _: Request<SetAllowedOriginsRequest>,
    ) -> Answer<SetAllowedOriginsResponse> {
        not_faked()
    }
}

#[tonic::async_trait]
impl NotificationService for Fake {
    type WatchMyNotificationsStream =
        Pin<Box<dyn Stream<Item = Result<WatchMyNotificationsResponse, Status>> + Send>>;

    /// Every piece of news is a notification whose id and title it is; `!` ends the stream badly.
    async fn watch_my_notifications(
        &self,
        request: Request<WatchMyNotificationsRequest>,
    ) -> Answer<Self::WatchMyNotificationsStream> {
        let seen = Arc::clone(&self.0);
        seen.watched_from.lock().unwrap().push(request.into_inner().after_notification_id);
        let heard = seen.news.lock().unwrap().get_or_insert_with(|| broadcast::channel(16).0).subscribe();
        seen.watching.fetch_add(1, Ordering::SeqCst);
        let watch = (heard, Watching(seen));
        let stream = futures::stream::unfold(watch, |(mut heard, watching)| async move {
            let news = heard.recv().await.ok()?;
            let answer = if news == "!" {
                Err(Fault::unavailable("database_unreachable", "down").into())
            } else {
                let notification =
                    Notification { notification_id: news.clone(), title: news, ..Notification::default() };
                Ok(WatchMyNotificationsResponse { notification: Some(notification) })
            };
            Some((answer, (heard, watching)))
        });
        Ok(Response::new(Box::pin(stream)))
    }

    async fn list_my_notifications(
        &self,
        _: Request<ListMyNotificationsRequest>,
    ) -> Answer<ListMyNotificationsResponse> {
        not_faked()
    }

    async fn get_my_unread_count(
        &self,
        _: Request<GetMyUnreadCountRequest>,
    ) -> Answer<GetMyUnreadCountResponse> {
        not_faked()
    }

    async fn mark_notification_read(
        &self,
        _: Request<MarkNotificationReadRequest>,
    ) -> Answer<MarkNotificationReadResponse> {
        not_faked()
    }

    async fn mark_all_notifications_read(
        &self,
        _: Request<MarkAllNotificationsReadRequest>,
    ) -> Answer<MarkAllNotificationsReadResponse> {
        not_faked()
    }
}
