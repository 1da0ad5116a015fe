//! The rpcs about accounts at providers and rules about methods. Secrets go in and never come out.

use contracts::vbwd::payments::v1 as proto;
use contracts::vbwd::payments::v1::payment_settings_service_server::PaymentSettingsService;
use jiff_sqlx::Timestamp;
use tonic::{Request, Response, Status};

use super::Api;
use super::convert::timestamp;
use crate::account::Account;
use crate::app::Shown;
use crate::provider::Capabilities;
use crate::providers::Offered;
use crate::rules::{Fee, Limit, Rule, Words};

#[tonic::async_trait]
impl PaymentSettingsService for Api {
    async fn list_providers(
        &self,
        request: Request<proto::ListProvidersRequest>,
    ) -> Result<Response<proto::ListProvidersResponse>, Status> {
        let tenant = auth::caller(&request)?.tenant;
        let providers = self.0.accounts(tenant).await?.into_iter().map(account_proto).collect();
        Ok(Response::new(proto::ListProvidersResponse { providers }))
    }

    async fn put_provider(
        &self,
        request: Request<proto::PutProviderRequest>,
    ) -> Result<Response<proto::PutProviderResponse>, Status> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let account = Account {
            enabled: message.enabled,
            live: message.live,
            settings: message.settings.into_iter().collect(),
            secrets: message.secrets.into_iter().collect(),
            countries: message.countries,
        };
        let shown = self.0.put_account(&context, &message.provider, account).await?;
        Ok(Response::new(proto::PutProviderResponse { provider: Some(account_proto(shown)) }))
    }

    async fn list_method_rules(
        &self,
        request: Request<proto::ListMethodRulesRequest>,
    ) -> Result<Response<proto::ListMethodRulesResponse>, Status> {
        let tenant = auth::caller(&request)?.tenant;
        let methods = self.0.method_rules(tenant).await?.into_iter().map(rule_proto).collect();
        Ok(Response::new(proto::ListMethodRulesResponse { methods }))
    }

    async fn put_method_rule(
        &self,
        request: Request<proto::PutMethodRuleRequest>,
    ) -> Result<Response<proto::PutMethodRuleResponse>, Status> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let rule = rule(message.rule.unwrap_or_default());
        let rule = rule_proto(self.0.put_rule(&context, &message.method, rule).await?);
        Ok(Response::new(proto::PutMethodRuleResponse { rule: Some(rule) }))
    }
}

fn account_proto(shown: Shown) -> proto::ProviderAccount {
    let at = |at: Option<Timestamp>| at.map(|at| timestamp(at.to_jiff()));
    let mut account = proto::ProviderAccount {
        provider: shown.code.to_owned(),
        name: shown.kind.map_or(shown.code, |kind| kind.name).to_owned(),
        settings_schema: shown.kind.map_or_else(String::new, |kind| kind.schema().to_string()),
        shared: shown.kind.is_none(),
        enabled: shown.kind.is_none(),
        set_secrets: shown.set_secrets,
        webhook_path: format!("/api/v1/webhooks/{}", shown.code),
        circuit: shown.circuit.name().to_owned(),
        capabilities: shown.capabilities.map(capabilities_proto),
        ..proto::ProviderAccount::default()
    };
    if let Some(row) = shown.row {
        (account.enabled, account.live, account.countries) = (row.enabled, row.live, row.countries);
        account.settings = row.settings.0.into_iter().collect();
        account.webhook_received_at = at(row.webhook_received_at);
        account.webhook_failed_at = at(row.webhook_failed_at);
        account.webhook_failure = row.webhook_failure.unwrap_or_default();
    }
    account
}

fn capabilities_proto(can: Capabilities) -> proto::ProviderCapabilities {
    proto::ProviderCapabilities {
        voids: can.voids,
        manual_capture: can.manual_capture,
        partial_captures: can.partial_captures,
        several_captures: can.several_captures,
        partial_refunds: can.partial_refunds,
        signs_webhooks: can.signs_webhooks,
    }
}

fn rule(message: proto::MethodRule) -> Rule {
    let limits = message.limits.into_iter().map(|limit| Limit {
        currency: limit.currency,
        minimum: limit.minimum_minor,
        maximum: limit.maximum_minor,
    });
    let fees = message.fees.into_iter().map(|fee| Fee {
        currency: fee.currency,
        fixed: fee.fixed_minor,
        basis_points: fee.basis_points,
    });
    let words = message.words.into_iter().map(|words| Words {
        locale: words.locale,
        name: words.name,
        description: words.description,
    });
    Rule {
        disabled: message.disabled,
        position: message.position,
        countries: message.countries,
        currencies: message.currencies,
        limits: limits.collect(),
        fees: fees.collect(),
        customer_pays_fee: message.fee_payer == "customer",
        words: words.collect(),
    }
}

fn rule_proto(offer: Offered) -> proto::MethodRule {
    let Offered { provider, method, rule } = offer;
    let limits = rule.limits.into_iter().map(|limit| proto::AmountLimit {
        currency: limit.currency,
        minimum_minor: limit.minimum,
        maximum_minor: limit.maximum,
    });
    let fees = rule.fees.into_iter().map(|fee| proto::MethodFee {
        currency: fee.currency,
        fixed_minor: fee.fixed,
        basis_points: fee.basis_points,
    });
    let words = rule.words.into_iter().map(|words| proto::MethodWords {
        locale: words.locale,
        name: words.name,
        description: words.description,
    });
    proto::MethodRule {
        method: method.code.to_owned(),
        provider: provider.code().to_owned(),
        disabled: rule.disabled,
        position: rule.position,
        countries: rule.countries,
        currencies: rule.currencies,
        limits: limits.collect(),
        fees: fees.collect(),
        fee_payer: if rule.customer_pays_fee { "customer" } else { "merchant" }.to_owned(),
        words: words.collect(),
    }
}
