//! A sister that takes letters, as notify does: once per operation id.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use contracts::vbwd::notify::v1::mail_service_server::{MailService, MailServiceServer};
use contracts::vbwd::notify::v1::{EnqueueMailRequest, EnqueueMailResponse};
use fault::Fault;
use runtime::Service;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
pub struct Mailbox(Arc<Mutex<Held>>);

#[derive(Default)]
struct Held {
    mails: Vec<EnqueueMailRequest>,
    operations: BTreeSet<String>,
    is_down: bool,
    refused: usize,
}

impl Mailbox {
    pub fn service(&self) -> Service {
        let routes = Routes::new(MailServiceServer::new(self.clone()));
        Service { name: "notify", routes, roles: Vec::new() }
    }

    pub fn set_down(&self, is_down: bool) {
        self.0.lock().unwrap().is_down = is_down;
    }

    /// Waits until this many attempts were turned away.
    pub async fn refused(&self, attempts: usize) {
        for _ in 0..1_000 {
            if self.0.lock().unwrap().refused >= attempts {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("fewer than {attempts} attempts while notify was down");
    }

    pub fn all(&self, template: &str, recipient: &str) -> Vec<EnqueueMailRequest> {
        let held = self.0.lock().unwrap();
        let fits = |mail: &&EnqueueMailRequest| mail.template == template && mail.recipient == recipient;
        held.mails.iter().filter(fits).cloned().collect()
    }

    /// The `number`th letter of this kind to this address, waited for.
    pub async fn nth(&self, number: usize, template: &str, recipient: &str) -> EnqueueMailRequest {
        for _ in 0..1_000 {
            if let Some(mail) = self.all(template, recipient).get(number) {
                return mail.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("no letter {number} {template} to {recipient}");
    }

    pub async fn first(&self, template: &str, recipient: &str) -> EnqueueMailRequest {
        self.nth(0, template, recipient).await
    }
}

/// The token in the link of a letter.
pub fn token(mail: &EnqueueMailRequest) -> String {
    mail.variables["link"].split_once("#token=").unwrap().1.to_owned()
}

#[tonic::async_trait]
impl MailService for Mailbox {
    async fn enqueue_mail(
        &self,
        request: Request<EnqueueMailRequest>,
    ) -> Result<Response<EnqueueMailResponse>, Status> {
        assert_eq!(auth::caller(&request)?.subject.to_string(), "service:identity");
        let operation = request.metadata().get(runtime::OPERATION_ID).unwrap().to_str().unwrap().to_owned();
        let mut held = self.0.lock().unwrap();
        if held.is_down {
            held.refused += 1;
            return Err(Fault::unavailable("database_unreachable", "down").into());
        }
        if held.operations.insert(operation.clone()) {
            held.mails.push(request.into_inner());
        }
        Ok(Response::new(EnqueueMailResponse { mail_id: operation }))
    }
}
