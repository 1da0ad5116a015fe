//! Tickets and letters: written in the transaction of what they are about, handed over afterwards.
//!
//! A letter is a row and a private fact that it is due; a reactor hands it to notify and removes the
//! row. The token in its link is made at that moment from the ticket, so that no table, event or log
//! ever holds it.

use std::collections::HashMap;

use contracts::vbwd::notify::v1::EnqueueMailRequest;
use contracts::vbwd::notify::v1::mail_service_client::MailServiceClient;
use eventstore::{CommandContext, UnitOfWork, storage};
use ids::{OperationId, TenantId, UserId};
use jiff::{SignedDuration, Timestamp};
use kernel::Metadata;
use runtime::Peer;
use uuid::Uuid;

use crate::app::{Identity, encode_token, later};
use crate::events::{IdentityEvent, LetterDue, POST};
use crate::rules::tickets::{LETTERS_MAX, LETTERS_PER_DAY_MAX, LETTERS_WINDOW_SECONDS, Purpose};
use crate::secrets::token_digest;
use crate::tables::details;
use crate::tables::letters::{self, Letter, NewLetter, Variables};
use crate::tables::tickets::{self, NewTicket};

const DAY_SECONDS: u32 = 24 * 60 * 60;

/// A letter to be written.
pub(super) struct Draft<'a> {
    pub(super) user: UserId,
    pub(super) name: &'a str,
    pub(super) recipient: &'a str,
    pub(super) template: &'static str,
    pub(super) ticket: Option<Uuid>,
    pub(super) more: &'a [(&'a str, &'a str)],
}

impl Identity {
    /// Writes a letter.
    pub(super) async fn write_letter(&self, unit: &mut UnitOfWork, draft: &Draft<'_>) -> fault::Result<()> {
        let tenant = unit.context()?.tenant;
        let words = draft.more.iter().copied().chain([("name", draft.name)]);
        let words = words.filter(|(_, value)| !value.is_empty());
        let variables: Variables = words.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let letter = NewLetter {
            id: Uuid::now_v7(),
            user: draft.user,
            ticket: draft.ticket,
            template: draft.template,
            recipient: draft.recipient,
            variables: &variables,
            at: self.clock.wall(),
        };
        letters::insert(unit.connection(), tenant, &letter).await?;
        let due = IdentityEvent::LetterDue(LetterDue { letter: letter.id });
        unit.append_fact(POST, letter.id, due).await?;
        Ok(())
    }

    /// Hands a letter to notify, and removes it.
    ///
    /// # Errors
    /// What notify answers; asking again does not send it twice.
    pub(crate) async fn hand_over(
        &self,
        notify: &Peer,
        tenant: TenantId,
        letter: Uuid,
        cause: &Metadata,
    ) -> fault::Result<()> {
        let mut transaction = self.store.read(tenant).await?;
        let due = letters::find(&mut transaction, tenant, letter).await?;
        let Some(due) = due else { return Ok(()) };
        let locale = details::locale(&mut transaction, tenant, due.user).await?;
        transaction.rollback().await.map_err(storage)?;
        let context = self.follow_up(tenant, cause, &["identity letter", &letter.to_string()]);
        let request = notify.request(&context, self.mail(tenant, due, locale))?;
        MailServiceClient::new(notify.channel()).enqueue_mail(request).await?;
        let mut unit = self.store.begin(&context).await?;
        letters::remove(unit.connection(), tenant, letter).await?;
        unit.commit().await?;
        Ok(())
    }

    /// The circumstances of what follows from a fact; the same `facts` give the same operation.
    pub(super) fn follow_up(&self, tenant: TenantId, cause: &Metadata, facts: &[&str]) -> CommandContext {
        CommandContext {
            tenant,
            actor: cause.actor.clone(),
            operation_id: OperationId::derived(facts),
            correlation_id: cause.correlation_id,
            causation_id: Some(cause.operation_id.as_uuid()),
            traceparent: cause.traceparent.clone(),
            at: self.clock.now(tenant),
        }
    }

    fn mail(&self, tenant: TenantId, due: Letter, locale: String) -> EnqueueMailRequest {
        let mut variables: HashMap<_, _> = due.variables.into_iter().collect();
        if let Some((ticket, purpose, expires_at)) = due.ticket {
            let token = encode_token(&self.secrets.ticket_token(tenant, purpose, ticket));
            let base = self.config.public_url.replace("{host}", due.host.as_deref().unwrap_or("localhost"));
            // In the fragment, which browsers keep to themselves: not in logs, not in referrers.
            variables.insert("link".to_owned(), format!("{base}/{}#token={token}", purpose.page()));
            variables.insert("expires_at".to_owned(), expires_at.to_string());
        }
        EnqueueMailRequest {
            template: due.template,
            locale,
            recipient: due.recipient,
            user_id: due.user.to_string(),
            variables,
        }
    }

    /// Issues a ticket for whoever reads what is sent to `email`.
    pub(super) async fn issue_ticket(
        &self,
        unit: &mut UnitOfWork,
        user: UserId,
        purpose: Purpose,
        email: &str,
    ) -> fault::Result<Uuid> {
        let (tenant, id, now) = (unit.context()?.tenant, Uuid::now_v7(), self.clock.wall());
        let token = self.secrets.ticket_token(tenant, purpose, id);
        let ticket = NewTicket {
            id,
            user,
            purpose,
            digest: &token_digest(&token),
            email,
            at: now,
            expires_at: later(now, purpose.life_seconds()),
        };
        tickets::insert(unit.connection(), tenant, &ticket).await?;
        Ok(id)
    }

    /// Whether the user may be sent another letter of this kind now.
    pub(super) async fn may_write(
        &self,
        unit: &mut UnitOfWork,
        user: UserId,
        purpose: Purpose,
        now: Timestamp,
    ) -> fault::Result<bool> {
        let tenant = unit.context()?.tenant;
        for (seconds, max) in [(LETTERS_WINDOW_SECONDS, LETTERS_MAX), (DAY_SECONDS, LETTERS_PER_DAY_MAX)] {
            let since = now.saturating_sub(SignedDuration::from_secs(i64::from(seconds)));
            let since = since.unwrap_or(Timestamp::MIN);
            if tickets::count_since(unit.connection(), tenant, user, purpose, since).await? >= max {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
