//! Whether somebody can be given something: units sent to an id that is nobody's would be lost.

use contracts::vbwd::identity::v1::LookUpUserRequest;
use contracts::vbwd::identity::v1::user_directory_service_client::UserDirectoryServiceClient;
use eventstore::CommandContext;
use fault::Fault;
use ids::UserId;
use runtime::Peer;

/// Asks identity about users. Without identity nobody can be given anything.
#[derive(Clone)]
pub(crate) struct Recipients(Option<Peer>);

impl Recipients {
    /// Asks this peer, if there is one.
    pub(crate) const fn new(identity: Option<Peer>) -> Self {
        Self(identity)
    }

    /// Refuses a recipient that is nobody, or whose account is suspended: the same answer for both.
    pub(crate) async fn must_exist(&self, context: &CommandContext, user: UserId) -> fault::Result<()> {
        let peer = self.0.as_ref().ok_or_else(|| Fault::unavailable("service_unknown", "no identity"))?;
        let request = peer.request(context, LookUpUserRequest { user_id: user.to_string() })?;
        let mut client = UserDirectoryServiceClient::new(peer.channel());
        let found = client.look_up_user(request).await.map_err(Fault::from)?.into_inner();
        if found.active {
            return Ok(());
        }
        let text = "There is no such recipient.";
        Err(Fault::rejected("recipient_unknown", text).with_violation("/recipient_user_id", "unknown"))
    }
}
