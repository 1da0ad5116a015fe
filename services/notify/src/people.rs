//! Who a user is: address, name and language, from identity.

use contracts::vbwd::identity::v1::LookUpUserRequest;
use contracts::vbwd::identity::v1::user_directory_service_client::UserDirectoryServiceClient;
use eventstore::CommandContext;
use ids::UserId;
use runtime::{Peer, Platform};

use crate::NAME;

/// What mails must know of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Person {
    pub user: UserId,
    pub email: String,
    pub name: String,
    /// Empty: the tenant's.
    pub locale: String,
}

/// The people of the fleet.
#[derive(Clone)]
pub(crate) struct People(Peer);

impl People {
    /// # Errors
    /// When the fleet does not know where identity is.
    pub(crate) fn new(platform: &Platform) -> fault::Result<Self> {
        platform.peer(NAME, "identity").map(Self)
    }

    /// The person behind an account; none if there is none, or none any more.
    pub(crate) async fn find(&self, context: &CommandContext, user: UserId) -> fault::Result<Option<Person>> {
        let request = self.0.request(context, LookUpUserRequest { user_id: user.to_string() })?;
        let answer = UserDirectoryServiceClient::new(self.0.channel()).look_up_user(request).await?;
        let found = answer.into_inner();
        let known = found.exists && !found.email.is_empty();
        Ok(known.then_some(Person {
            user,
            email: found.email,
            name: found.display_name,
            locale: found.locale,
        }))
    }
}
