//! `TemplateService`.

mod check;
mod convert;

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
use super::convert::page;
use crate::catalogue::{KINDS, Kind, Words};
use crate::mail::{MailFilter, NewMail, log, send_again};
use crate::render::{self, Facts, Flaw};
use crate::wording::{self, Settings};
use check::{check_settings, kind, named, refuse};
use convert::{attempt, given, mail, settings_given, settings_shown, shown, template};

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
