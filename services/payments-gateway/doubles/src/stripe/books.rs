//! The books of the double: objects by name, and the rules of Stripe's reference about them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::cards::{Card, card};
use super::error;
use super::form::Form;
use super::reply::Reply;

type News = Vec<(&'static str, Value)>;

/// Everything that exists.
#[derive(Default)]
pub struct Books {
    /// PaymentIntents and SetupIntents by id.
    pub intents: BTreeMap<String, Value>,
    /// Refunds and disputes.
    pub others: Vec<Value>,
    /// Payment methods by id.
    pub methods: BTreeMap<String, Value>,
    /// Idempotency keys: what was asked, and the answer.
    pub keys: BTreeMap<String, (String, u16, Value)>,
}

impl Books {
    /// A new name.
    pub fn name(&self, kind: &str) -> String {
        format!("{kind}_{}", uuid::Uuid::now_v7().simple())
    }

    /// An intent that exists.
    pub fn intent(&mut self, id: &str) -> &mut Value {
        self.intents.get_mut(id).unwrap()
    }

    pub fn create_payment(&mut self, form: &Form) -> Reply {
        let (Some(amount), Some(currency)) = (form.integer("amount"), form.get("currency")) else {
            return Reply::invalid("parameter_missing", "Missing required param: amount.");
        };
        if amount < 1 {
            return Reply::invalid(
                "parameter_invalid_integer",
                "This value must be greater than or equal to 1.",
            );
        }
        if matches!(currency, "bhd" | "jod" | "kwd" | "omr" | "tnd") && amount % 10 != 0 {
            return Reply::invalid("invalid_amount", "Amounts in three-decimal currencies end in 0.");
        }
        let id = self.name("pi");
        let intent = json!({
            "id": id, "object": "payment_intent", "amount": amount, "amount_capturable": 0,
            "amount_received": 0, "currency": currency, "status": "requires_payment_method",
            "capture_method": form.get("capture_method").unwrap_or("automatic"),
            "client_secret": format!("{id}_secret_double"), "customer": form.get("customer"),
            "description": form.get("description"), "latest_charge": null, "last_payment_error": null,
            "livemode": false, "metadata": form.metadata(), "next_action": null, "payment_method": null,
            "payment_method_types": [form.get("payment_method_types[]").unwrap_or("card")],
            "setup_future_usage": form.get("setup_future_usage"), "created": 1_700_000_000,
        });
        self.intents.insert(id.clone(), intent);
        if !form.says("confirm") {
            return Reply::ok(self.intents[&id].clone(), Vec::new());
        }
        let method = form.get("payment_method").unwrap_or_default().to_owned();
        if method.is_empty() {
            return Reply::invalid("parameter_missing", "Name a payment method to confirm.");
        }
        match self.confirm(&id, &method, form.says("off_session")) {
            Ok(news) => Reply::ok(self.expanded(self.intents[&id].clone()), news),
            Err(mut body) => {
                let intent = self.intents[&id].clone();
                let news = vec![("payment_intent.payment_failed", intent.clone())];
                body["error"]["payment_intent"] = intent;
                Reply { status: 402, body, news }
            }
        }
    }

    /// Confirms with a method: what happens is the card's to say.
    pub fn confirm(&mut self, id: &str, token: &str, off_session: bool) -> Result<News, Value> {
        let method = self.method(token);
        let setup = id.starts_with("seti_");
        self.intent(id)["payment_method"] = method["id"].clone();
        match card(token) {
            Card::NeedsCustomer if off_session => {
                Err(self.declined(id, "authentication_required", "authentication_required"))
            }
            Card::NeedsCustomer => {
                let intent = self.intent(id);
                intent["status"] = "requires_action".into();
                let url = format!("https://hooks.stripe.example/redirect/{id}");
                intent["next_action"] = json!({"type": "redirect_to_url", "redirect_to_url": {"url": url}});
                let kind =
                    if setup { "setup_intent.requires_action" } else { "payment_intent.requires_action" };
                Ok(vec![(kind, intent.clone())])
            }
            Card::Declined(code, decline) if !setup => Err(self.declined(id, code, decline)),
            Card::Debit if !setup => {
                self.intent(id)["status"] = "processing".into();
                Ok(vec![("payment_intent.processing", self.intent(id).clone())])
            }
            _ => Ok(self.succeed(id)),
        }
    }

    fn declined(&mut self, id: &str, code: &str, decline: &str) -> Value {
        let mut body = error("card_error", code, "Your card was declined.");
        body["error"]["decline_code"] = decline.into();
        let intent = self.intent(id);
        intent["status"] = "requires_payment_method".into();
        intent["payment_method"] = Value::Null;
        intent["next_action"] = Value::Null;
        intent["last_payment_error"] = json!({"type": "card_error", "code": code, "decline_code": decline});
        body
    }

    fn succeed(&mut self, id: &str) -> News {
        let charge = self.name("ch");
        let intent = self.intent(id);
        intent["next_action"] = Value::Null;
        if id.starts_with("seti_") {
            intent["status"] = "succeeded".into();
            return vec![("setup_intent.succeeded", intent.clone())];
        }
        intent["latest_charge"] = charge.into();
        intent["last_payment_error"] = Value::Null;
        if intent["capture_method"] == "manual" {
            intent["status"] = "requires_capture".into();
            intent["amount_capturable"] = intent["amount"].clone();
            return vec![("payment_intent.amount_capturable_updated", intent.clone())];
        }
        intent["status"] = "succeeded".into();
        intent["amount_received"] = intent["amount"].clone();
        vec![("payment_intent.succeeded", intent.clone())]
    }

    /// The customer comes back from the bank.
    pub fn authenticated(&mut self, id: &str, confirmed: bool) -> News {
        if confirmed {
            return self.succeed(id);
        }
        let code = "payment_intent_authentication_failure";
        self.declined(id, code, code);
        vec![("payment_intent.payment_failed", self.intent(id).clone())]
    }

    /// A debit has ended.
    pub fn debit_ends(&mut self, id: &str, paid: bool) -> News {
        if paid {
            return self.succeed(id);
        }
        self.declined(id, "insufficient_funds", "insufficient_funds");
        vec![("payment_intent.payment_failed", self.intent(id).clone())]
    }

    pub fn capture(&mut self, id: &str, form: &Form) -> Reply {
        let intent = self.intent(id);
        if intent["status"] != "requires_capture" {
            return Reply::invalid(
                "payment_intent_unexpected_state",
                "This PaymentIntent could not be captured.",
            );
        }
        let whole = intent["amount"].as_i64().unwrap();
        let part = form.integer("amount_to_capture").unwrap_or(whole);
        if !(1..=whole).contains(&part) {
            return Reply::invalid("amount_too_large", "The capture exceeds what is authorised.");
        }
        intent["status"] = "succeeded".into();
        intent["amount_received"] = part.into();
        intent["amount_capturable"] = 0.into();
        Reply::ok(intent.clone(), vec![("payment_intent.succeeded", intent.clone())])
    }

    pub fn cancel(&mut self, id: &str) -> Reply {
        let intent = self.intent(id);
        if matches!(intent["status"].as_str(), Some("succeeded" | "canceled" | "processing")) {
            return Reply::invalid(
                "payment_intent_unexpected_state",
                "You cannot cancel this PaymentIntent.",
            );
        }
        intent["status"] = "canceled".into();
        intent["amount_capturable"] = 0.into();
        Reply::ok(intent.clone(), vec![("payment_intent.canceled", intent.clone())])
    }

    pub fn create_setup(&mut self, form: &Form) -> Reply {
        let id = self.name("seti");
        let intent = json!({
            "id": id, "object": "setup_intent", "status": "requires_payment_method", "usage": "off_session",
            "client_secret": format!("{id}_secret_double"), "customer": form.get("customer"),
            "metadata": form.metadata(), "next_action": null, "payment_method": null, "livemode": false,
            "payment_method_types": [form.get("payment_method_types[]").unwrap_or("card")],
        });
        self.intents.insert(id, intent.clone());
        Reply::ok(intent, Vec::new())
    }

    pub fn refund(&mut self, form: &Form) -> Reply {
        let Some(id) = form.get("payment_intent").filter(|id| self.intents.contains_key(*id)) else {
            return Reply::missing();
        };
        let (id, intent) = (id.to_owned(), self.intents[id].clone());
        if intent["status"] != "succeeded" {
            return Reply::invalid(
                "payment_intent_unexpected_state",
                "This PaymentIntent has no charge to refund.",
            );
        }
        let gone: i64 = self.of("refund", &id).map(|refund| refund["amount"].as_i64().unwrap()).sum();
        let left = intent["amount_received"].as_i64().unwrap() - gone;
        let amount = form.integer("amount").unwrap_or(left);
        if left == 0 {
            return Reply::invalid("charge_already_refunded", "The charge has already been refunded.");
        }
        if amount > left || amount < 1 {
            return Reply::invalid("amount_too_large", "Refund amount is greater than unrefunded amount.");
        }
        let refund = json!({
            "id": self.name("re"), "object": "refund", "amount": amount, "currency": intent["currency"],
            "payment_intent": id, "charge": intent["latest_charge"], "status": "succeeded",
            "metadata": form.metadata(), "reason": null,
        });
        self.others.push(refund.clone());
        Reply::ok(refund.clone(), vec![("refund.created", refund)])
    }

    pub fn dispute(&mut self, id: &str, amount: i64) -> (String, News) {
        let (name, intent) = (self.name("dp"), self.intents[id].clone());
        let dispute = json!({
            "id": name, "object": "dispute", "amount": amount, "currency": intent["currency"],
            "payment_intent": id, "charge": intent["latest_charge"], "reason": "fraudulent",
            "status": "needs_response", "metadata": {},
        });
        self.others.push(dispute.clone());
        (name, vec![("charge.dispute.created", dispute)])
    }

    pub fn close_dispute(&mut self, name: &str, status: &str) -> News {
        let dispute = self.others.iter_mut().find(|one| one["id"] == name).unwrap();
        dispute["status"] = status.into();
        vec![("charge.dispute.closed", dispute.clone())]
    }

    fn of<'a>(&'a self, kind: &'a str, intent: &'a str) -> impl Iterator<Item = &'a Value> {
        let fits = move |one: &&Value| one["object"] == kind && one["payment_intent"] == intent;
        self.others.iter().filter(fits)
    }

    /// A list, newest first.
    pub fn listed(&self, kind: &str, query: &Form) -> Value {
        let mut data: Vec<_> = self.of(kind, query.get("payment_intent").unwrap_or_default()).collect();
        data.reverse();
        json!({"object": "list", "data": data, "has_more": false, "url": format!("/v1/{kind}s")})
    }

    /// An intent with its charge and method inside.
    pub fn expanded(&self, mut intent: Value) -> Value {
        let id = intent["id"].as_str().unwrap().to_owned();
        if let Some(charge) = intent["latest_charge"].as_str() {
            let disputed = self.of("dispute", &id).next().is_some();
            intent["latest_charge"] = json!({"id": charge, "object": "charge", "disputed": disputed});
        }
        if let Some(method) = intent["payment_method"].as_str().and_then(|id| self.methods.get(id)) {
            intent["payment_method"] = method.clone();
        }
        intent
    }

    /// The method behind a token: a test token makes a new one that remembers what it does.
    fn method(&mut self, token: &str) -> Value {
        if let Some(method) = self.methods.get(token) {
            return method.clone();
        }
        let id = format!("{}_{}", self.name("pm"), token.trim_start_matches("pm_"));
        let method = match card(token) {
            Card::Debit => json!({"id": id, "object": "payment_method", "type": "sepa_debit",
                "sepa_debit": {"bank_code": "19043", "last4": "3000"}}),
            _ => json!({"id": id, "object": "payment_method", "type": "card",
                "card": {"brand": "visa", "last4": "4242", "exp_month": 8, "exp_year": 2030}}),
        };
        self.methods.insert(id, method.clone());
        method
    }
}
