//! `MailService`.

use contracts::vbwd::notify::v1::mail_service_server::MailService;
use contracts::vbwd::notify::v1::{EnqueueMailRequest, EnqueueMailResponse};
use fault::Fault;
use tonic::{Request, Response, Status};

use super::Rpcs;
use crate::mail::NewMail;

#[tonic::async_trait]
impl MailService for Rpcs {
    async fn enqueue_mail(
        &self,
        request: Request<EnqueueMailRequest>,
    ) -> Result<Response<EnqueueMailResponse>, Status> {
        let (_, context) = self.context(&request)?;
        let mail = new_mail(request.into_inner())?;
        let mail_id = self.queue.enqueue(&context, &mail).await?.to_string();
        Ok(Response::new(EnqueueMailResponse { mail_id }))
    }
}

fn new_mail(message: EnqueueMailRequest) -> fault::Result<NewMail> {
    let user = match message.user_id.as_str() {
        "" => None,
        id => Some(id.parse().map_err(|_| Fault::invalid("/user_id", "malformed", "This is no user id."))?),
    };
    Ok(NewMail {
        template: message.template,
        locale: message.locale,
        recipient: message.recipient,
        user,
        variables: message.variables.into_iter().collect(),
    })
}
