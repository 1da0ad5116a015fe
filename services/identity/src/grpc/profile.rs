//! Between messages and what is known about people.

use contracts::vbwd::identity::v1 as proto;
use ids::SessionId;

use super::timestamp;
use crate::app::{Me, Profile};
use crate::rejection::Rejection;
use crate::rules::details::{Address, Details};
use crate::tables::search::Filter;
use crate::tables::sessions::{Impersonation, Session};
use crate::tables::users::{Status, User};

pub(super) fn user(user: User) -> proto::User {
    proto::User {
        user_id: user.id.to_string(),
        email: user.email,
        display_name: user.display_name,
        status: user.status.as_str().to_owned(),
        roles: user.roles,
        created_at: Some(timestamp(user.created_at)),
        email_verified: user.email_verified_at.is_some(),
        revision: user.revision,
        kind: user.kind,
        details: None,
    }
}

pub(super) fn profile(profile: Profile) -> proto::User {
    let about = profile.details;
    let details = proto::UserDetails {
        given_name: about.given_name,
        family_name: about.family_name,
        company: about.company,
        tax_id: about.tax_id,
        phone: about.phone,
        locale: about.locale,
        addresses: about.addresses.into_iter().map(address).collect(),
    };
    proto::User { details: Some(details), ..user(profile.user) }
}

fn address(address: Address) -> proto::UserAddress {
    proto::UserAddress {
        label: address.label,
        recipient: address.recipient,
        line1: address.line1,
        line2: address.line2,
        postal_code: address.postal_code,
        city: address.city,
        region: address.region,
        country: address.country,
    }
}

/// The details of a message; what is absent is empty.
pub(super) fn details(message: Option<proto::UserDetails>) -> Details {
    let given = message.unwrap_or_default();
    let address = |address: proto::UserAddress| Address {
        label: address.label,
        recipient: address.recipient,
        line1: address.line1,
        line2: address.line2,
        postal_code: address.postal_code,
        city: address.city,
        region: address.region,
        country: address.country,
    };
    Details {
        given_name: given.given_name,
        family_name: given.family_name,
        company: given.company,
        tax_id: given.tax_id,
        phone: given.phone,
        locale: given.locale,
        addresses: given.addresses.into_iter().map(address).collect(),
    }
}

pub(super) fn session_info(session: Session, current: Option<SessionId>) -> proto::SessionInfo {
    let until = timestamp(session.expires_at);
    proto::SessionInfo {
        current: current == Some(session.id),
        session_id: session.id.to_string(),
        device: session.device,
        origin_address: session.origin.unwrap_or_default(),
        last_origin_address: session.last_origin.unwrap_or_default(),
        country: session.country.unwrap_or_default(),
        last_country: session.last_country.unwrap_or_default(),
        created_at: Some(timestamp(session.created_at)),
        last_used_at: Some(timestamp(session.last_used_at)),
        expires_at: Some(until),
        impersonation: session.impersonation.map(|other| impersonation(other, until)),
    }
}

fn impersonation(by: Impersonation, until: prost_types::Timestamp) -> proto::Impersonation {
    proto::Impersonation {
        impersonator_id: by.by.to_string(),
        impersonator_name: by.name,
        reason: by.reason,
        until: Some(until),
    }
}

pub(super) fn me(me: Me) -> proto::GetMeResponse {
    let banner = me.impersonated.and_then(|session| session_info(session, None).impersonation);
    proto::GetMeResponse {
        user: Some(profile(me.profile)),
        permissions: me.permissions.iter().map(str::to_owned).collect(),
        impersonation: banner,
        levels: me.levels,
    }
}

/// Which users are asked for.
pub(super) fn filter(message: &proto::ListUsersRequest) -> fault::Result<Filter> {
    let unfit = |pointer| Rejection::FilterUnfit { pointer };
    let present = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let status = present(&message.status)
        .map(|word| Status::parse(&word).ok_or_else(|| unfit("/status")))
        .transpose()?;
    let kind = match message.kind.as_str() {
        "" => None,
        "person" => Some("person"),
        "service" => Some("service"),
        _ => return Err(unfit("/kind").into()),
    };
    let email_verified = match message.email_verified.as_str() {
        "" => None,
        "true" => Some(true),
        "false" => Some(false),
        _ => return Err(unfit("/email_verified").into()),
    };
    let (query, role) = (present(&message.query), present(&message.role));
    Ok(Filter { query, status, role, kind, email_verified })
}
