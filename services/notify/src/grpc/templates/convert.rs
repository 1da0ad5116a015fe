//! Kinds, words, settings and mails as messages, and back.

use contracts::vbwd::notify::v1 as proto;

use crate::catalogue::{Kind, LANGUAGES, Words};
use crate::grpc::convert::stored;
use crate::mail::{MailAttempt, MailRow};
use crate::wording::Settings;

pub(super) fn template(kind: &Kind, enabled: bool, own_locales: Vec<String>) -> proto::Template {
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

pub(super) fn shown(words: Words) -> proto::TemplateWords {
    proto::TemplateWords { subject: words.subject, text: words.text, html: words.html, notice: words.notice }
}

pub(super) fn given(words: proto::TemplateWords) -> Words {
    Words { subject: words.subject, text: words.text, html: words.html, notice: words.notice }
}

pub(super) fn settings_shown(settings: Settings) -> proto::MailSettings {
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

pub(super) fn settings_given(settings: proto::MailSettings) -> Settings {
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

pub(super) fn mail(row: MailRow) -> proto::Mail {
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

pub(super) fn attempt(row: MailAttempt) -> proto::MailAttempt {
    proto::MailAttempt {
        attempt: row.attempt,
        at: Some(stored(row.at)),
        outcome: row.outcome,
        reply: row.reply,
    }
}
