//! `TemplateService`.

use contracts::vbwd::notify::v1 as proto;
use contracts::vbwd::notify::v1::template_service_server::TemplateService;
use eventstore::{body_hash, storage};
use fault::Fault;
use ids::MailId;
use runtime::audit;
use serde_json::json;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::Rpcs;
use super::convert::{page, stored};
use crate::catalogue::{self, KINDS, Kind, LANGUAGES, Words};
use crate::mail::{MailAttempt, MailFilter, MailRow, NewMail, locale_tag, log, send_again};
use crate::render::{self, Facts, Flaw};
use crate::wording::{self, Settings};

type Answer<M> = Result<Response<M>, Status>;

#[tonic::async_trait]
impl TemplateService for Rpcs {
    async fn list_templates(
        &self,
        request: Request<proto::ListTemplatesRequest>,
    ) -> Answer<proto::ListTemplatesResponse> {
        let (caller, _) = self.context(&request)?;
        let mut reading = self.store.read(caller.tenant).await?;
        let switches = wording::switches(&mut reading, caller.tenant).await?;
        let own = wording::own_locales(&mut reading, caller.tenant).await?;
        reading.rollback().await.map_err(storage)?;
        let templates = KINDS.iter().map(|kind| {
            let locales = own.iter().filter(|(key, _)| key == kind.key).map(|(_, locale)| locale.clone());
            template(kind, switches.get(kind.key).copied().unwrap_or(kind.enabled), locales.collect())
        });
        Ok(Response::new(proto::ListTemplatesResponse { templates: templates.collect() }))
    }

    async fn get_template(
        &self,
        request: Request<proto::GetTemplateRequest>,
    ) -> Answer<proto::GetTemplateResponse> {
        let (caller, _) = self.context(&request)?;
        let message = request.into_inner();
        let (kind, locale) = named(&message.template, &message.locale)?;
        let mut reading = self.store.read(caller.tenant).await?;
        let found = wording::words(&mut reading, caller.tenant, kind, (&locale, "")).await?;
        reading.rollback().await.map_err(storage)?;
        let (own, locale, words) = (found.own, found.locale, Some(shown(found.words)));
        Ok(Response::new(proto::GetTemplateResponse { words, own, locale }))
    }

    async fn put_template(
        &self,
        request: Request<proto::PutTemplateRequest>,
    ) -> Answer<proto::PutTemplateResponse> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let (kind, locale) = named(&message.template, &message.locale)?;
        let words = given(message.words.unwrap_or_default());
        refuse(render::flaws(&words, kind))?;
        let mut unit = self.store.begin(&context).await?;
        let now = self.clock.wall();
        let before = wording::words(unit.connection(), context.tenant, kind, (&locale, "")).await?;
        noted(Some(before.words), Some(words.clone()));
        wording::put_words(unit.connection(), context.tenant, (kind, &locale), &words, now).await?;
        unit.commit().await?;
        Ok(Response::new(proto::PutTemplateResponse { words: Some(shown(words)) }))
    }

    async fn reset_template(
        &self,
        request: Request<proto::ResetTemplateRequest>,
    ) -> Answer<proto::ResetTemplateResponse> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let (kind, locale) = named(&message.template, &message.locale)?;
        let mut unit = self.store.begin(&context).await?;
        let before = wording::words(unit.connection(), context.tenant, kind, (&locale, "")).await?;
        noted(before.own.then_some(before.words), None);
        wording::reset_words(unit.connection(), context.tenant, (kind, &locale)).await?;
        unit.commit().await?;
        Ok(Response::new(proto::ResetTemplateResponse {}))
    }

    async fn switch_template(
        &self,
        request: Request<proto::SwitchTemplateRequest>,
    ) -> Answer<proto::SwitchTemplateResponse> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let (kind, enabled) = (kind(&message.template)?, message.enabled);
        if kind.key.starts_with("identity.") && !enabled {
            return Err(Fault::rejected("template_needed", "Accounts cannot do without this mail.").into());
        }
        let mut unit = self.store.begin(&context).await?;
        let before = wording::switches(unit.connection(), context.tenant).await?;
        let before = before.get(kind.key).copied().unwrap_or(kind.enabled);
        audit::changed(Some(json!({ "enabled": before })), Some(json!({ "enabled": enabled })));
        wording::switch(unit.connection(), context.tenant, kind, enabled).await?;
        unit.commit().await?;
        Ok(Response::new(proto::SwitchTemplateResponse { enabled }))
    }

    async fn preview_template(
        &self,
        request: Request<proto::PreviewTemplateRequest>,
    ) -> Answer<proto::PreviewTemplateResponse> {
        let (caller, _) = self.context(&request)?;
        let message = request.into_inner();
        let (kind, locale) = named(&message.template, &message.locale)?;
        let mut reading = self.store.read(caller.tenant).await?;
        let settings = wording::settings(&mut reading, caller.tenant).await?;
        let found =
            wording::words(&mut reading, caller.tenant, kind, (&locale, &settings.default_locale)).await?;
        reading.rollback().await.map_err(storage)?;
        let words = message.words.map_or(found.words, given);
        refuse(render::flaws(&words, kind))?;
        Ok(Response::new(self.preview(kind, &words, &locale, &settings)?))
    }

    async fn send_test_mail(
        &self,
        request: Request<proto::SendTestMailRequest>,
    ) -> Answer<proto::SendTestMailResponse> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let (kind, locale) = named(&message.template, &message.locale)?;
        let (template, recipient) = (kind.key.to_owned(), message.recipient);
        let mail = NewMail { template, locale, recipient, user: None, variables: kind.samples() };
        let mail_id = self.queue.enqueue(&context, &mail).await?.to_string();
        Ok(Response::new(proto::SendTestMailResponse { mail_id }))
    }

    async fn get_mail_settings(
        &self,
        request: Request<proto::GetMailSettingsRequest>,
    ) -> Answer<proto::GetMailSettingsResponse> {
        let (caller, _) = self.context(&request)?;
        let mut reading = self.store.read(caller.tenant).await?;
        let settings = wording::settings(&mut reading, caller.tenant).await?;
        reading.rollback().await.map_err(storage)?;
        Ok(Response::new(proto::GetMailSettingsResponse { settings: Some(settings_shown(settings)) }))
    }

    async fn put_mail_settings(
        &self,
        request: Request<proto::PutMailSettingsRequest>,
    ) -> Answer<proto::PutMailSettingsResponse> {
        let (_, context) = self.context(&request)?;
        let settings = settings_given(request.into_inner().settings.unwrap_or_default());
        check_settings(&settings)?;
        let mut unit = self.store.begin(&context).await?;
        let before = settings_shown(wording::settings(unit.connection(), context.tenant).await?);
        let shown = |settings| audit::state("vbwd.notify.v1.MailSettings", settings);
        audit::changed(shown(&before), shown(&settings_shown(settings.clone())));
        wording::put_settings(unit.connection(), context.tenant, &settings, self.clock.wall()).await?;
        unit.commit().await?;
        Ok(Response::new(proto::PutMailSettingsResponse { settings: Some(settings_shown(settings)) }))
    }

    async fn list_mails(
        &self,
        request: Request<proto::ListMailsRequest>,
    ) -> Answer<proto::ListMailsResponse> {
        let (caller, _) = self.context(&request)?;
        let message = request.into_inner();
        if !matches!(message.status.as_str(), "" | "queued" | "sent" | "dead" | "suppressed") {
            return Err(Fault::invalid("/status", "unknown", "There is no such status.").into());
        }
        let page = page::<Uuid>(message.page_size, &message.cursor)?;
        let recipient = message.recipient.trim().to_lowercase();
        let (status, before, limit) = (message.status.as_str(), page.before, page.fetched());
        let filter = MailFilter { recipient: &recipient, status, before, limit };
        let mut found = self.queue.page(caller.tenant, &filter).await?;
        let next_cursor = page.cut(&mut found, |last| last.mail_id);
        let mails = found.into_iter().map(mail).collect();
        Ok(Response::new(proto::ListMailsResponse { mails, next_cursor }))
    }

    async fn resend_mail(
        &self,
        request: Request<proto::ResendMailRequest>,
    ) -> Answer<proto::ResendMailResponse> {
        let (_, context) = self.context(&request)?;
        let message = request.into_inner();
        let id: MailId = message.mail_id.parse().map_err(|_| Fault::not_found("mail"))?;
        let hash = body_hash("ResendMail", &message);
        let mut unit = self.store.begin(&context).await?;
        if let Some(answer) = unit.claim(&hash).await? {
            return Ok(Response::new(answer));
        }
        send_again(unit.connection(), context.tenant, id, self.clock.wall()).await?;
        let (found, _) = log::get(unit.connection(), context.tenant, id).await?;
        let answer = proto::ResendMailResponse { mail: Some(mail(found)) };
        unit.remember(&hash, &answer).await?;
        unit.commit().await?;
        self.queue.ring();
        Ok(Response::new(answer))
    }

    async fn get_mail(&self, request: Request<proto::GetMailRequest>) -> Answer<proto::GetMailResponse> {
        let (caller, _) = self.context(&request)?;
        let id: MailId = request.get_ref().mail_id.parse().map_err(|_| Fault::not_found("mail"))?;
        let (found, attempts) = self.queue.get(caller.tenant, id).await?;
        let attempts = attempts.into_iter().map(attempt).collect();
        Ok(Response::new(proto::GetMailResponse { mail: Some(mail(found)), attempts }))
    }
}

impl Rpcs {
    fn preview(
        &self,
        kind: &Kind,
        words: &Words,
        locale: &str,
        settings: &Settings,
    ) -> fault::Result<proto::PreviewTemplateResponse> {
        let (values, brand) = (kind.samples(), settings.brand(&self.product_name));
        let sample = format!("{}/unsubscribe", settings.public_url);
        let unsubscribe_url = kind.category.is_optional().then_some(sample.as_str());
        let facts = Facts { values: &values, brand: &brand, locale, unsubscribe_url };
        let broken =
            |flaw: Flaw| refuse(vec![flaw]).err().unwrap_or_else(|| Fault::internal("a flaw of none"));
        let letter = render::letter(words, &facts).map_err(broken)?;
        let (_, notice) = render::notice(words, &facts).map_err(broken)?;
        let (subject, text, html) = (letter.subject, letter.text, letter.html);
        Ok(proto::PreviewTemplateResponse { subject, text, html, notice })
    }
}

/// Notes the words before and after for the audit trail.
fn noted(before: Option<Words>, after: Option<Words>) {
    let state = |words| audit::state("vbwd.notify.v1.TemplateWords", &shown(words));
    audit::changed(before.and_then(state), after.and_then(state));
}

fn kind(key: &str) -> fault::Result<&'static Kind> {
    catalogue::kind(key).ok_or_else(|| Fault::not_found("template"))
}

fn named(key: &str, locale: &str) -> fault::Result<(&'static Kind, String)> {
    Ok((kind(key)?, locale_tag(locale)?))
}

/// Each flaw has the place of its part; what exactly is wrong is a fact, for the one who writes.
fn refuse(flaws: Vec<Flaw>) -> fault::Result<()> {
    let fault = flaws.into_iter().fold(None, |fault: Option<Fault>, flaw| {
        let pointer = format!("/words/{}", flaw.part);
        let fault = match fault {
            None => Fault::invalid(pointer, flaw.code, "The template has a mistake."),
            Some(fault) => fault.with_violation(pointer, flaw.code),
        };
        Some(fault.with_fact(flaw.part, flaw.detail))
    });
    fault.map_or(Ok(()), Err)
}

fn check_settings(settings: &Settings) -> fault::Result<()> {
    let address = |text: &str| text.is_empty() || text.parse::<lettre::Address>().is_ok();
    let link = |text: &str| text.is_empty() || url::Url::parse(text).is_ok_and(|url| url.scheme() == "https");
    let public = |text: &str| {
        text.is_empty() || url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
    };
    let colour = |text: &str| {
        let digits = text.strip_prefix('#').unwrap_or_default();
        text.is_empty() || (digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    let short = |text: &str| text.chars().count() <= 200 && !text.contains(['\r', '\n']);
    let rules = [
        ("product_name", short(&settings.product_name)),
        ("logo_url", link(&settings.logo_url)),
        ("accent_colour", colour(&settings.accent_colour)),
        ("support_address", address(&settings.support_address)),
        ("footer", settings.footer.chars().count() <= 2_000),
        ("from_address", address(&settings.from_address)),
        ("from_name", short(&settings.from_name)),
        ("reply_to", address(&settings.reply_to)),
        ("default_locale", locale_tag(&settings.default_locale).is_ok()),
        ("public_url", public(&settings.public_url)),
        ("operator_email", address(&settings.operator_email)),
    ];
    let wrong = rules.into_iter().filter(|(_, holds)| !holds);
    let fault = wrong.fold(None, |fault: Option<Fault>, (field, _)| {
        let pointer = format!("/settings/{field}");
        Some(match fault {
            None => Fault::invalid(pointer, "malformed", "The settings do not fit."),
            Some(fault) => fault.with_violation(pointer, "malformed"),
        })
    });
    fault.map_or(Ok(()), Err)
}

fn template(kind: &Kind, enabled: bool, own_locales: Vec<String>) -> proto::Template {
    let variables = kind.variables.iter().map(|variable| proto::TemplateVariable {
        name: variable.name.to_owned(),
        required: variable.required,
        sample: variable.sample.to_owned(),
    });
    proto::Template {
        template: kind.key.to_owned(),
        category: kind.category.name().to_owned(),
        optional: kind.category.is_optional(),
        enabled,
        variables: variables.collect(),
        own_locales,
        shipped_locales: LANGUAGES.map(str::to_owned).to_vec(),
    }
}

fn shown(words: Words) -> proto::TemplateWords {
    proto::TemplateWords { subject: words.subject, text: words.text, html: words.html, notice: words.notice }
}

fn given(words: proto::TemplateWords) -> Words {
    Words { subject: words.subject, text: words.text, html: words.html, notice: words.notice }
}

fn settings_shown(settings: Settings) -> proto::MailSettings {
    proto::MailSettings {
        product_name: settings.product_name,
        logo_url: settings.logo_url,
        accent_colour: settings.accent_colour,
        support_address: settings.support_address,
        footer: settings.footer,
        from_address: settings.from_address,
        from_name: settings.from_name,
        reply_to: settings.reply_to,
        default_locale: settings.default_locale,
        public_url: settings.public_url,
        operator_email: settings.operator_email,
    }
}

fn settings_given(settings: proto::MailSettings) -> Settings {
    Settings {
        product_name: settings.product_name,
        logo_url: settings.logo_url,
        accent_colour: settings.accent_colour,
        support_address: settings.support_address,
        footer: settings.footer,
        from_address: settings.from_address,
        from_name: settings.from_name,
        reply_to: settings.reply_to,
        default_locale: settings.default_locale,
        public_url: settings.public_url.trim_end_matches('/').to_owned(),
        operator_email: settings.operator_email,
    }
}

fn mail(row: MailRow) -> proto::Mail {
    let ended = row.ended_at.is_some();
    proto::Mail {
        mail_id: row.mail_id.to_string(),
        template: row.template,
        recipient: row.recipient,
        user_id: row.user_id.map(|id| id.to_string()).unwrap_or_default(),
        status: row.status,
        attempts: row.attempts,
        subject: row.subject,
        last_error: row.last_error,
        created_at: Some(stored(row.created_at)),
        next_attempt_at: if ended { None } else { Some(stored(row.due_at)) },
        ended_at: row.ended_at.map(stored),
    }
}

fn attempt(row: MailAttempt) -> proto::MailAttempt {
    proto::MailAttempt {
        attempt: row.attempt,
        at: Some(stored(row.at)),
        outcome: row.outcome,
        reply: row.reply,
    }
}
