//! An identity that knows whom it is told of.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use contracts::vbwd::identity::v1::user_directory_service_server::{
    UserDirectoryService, UserDirectoryServiceServer,
};
use contracts::vbwd::identity::v1::{LookUpUserRequest, LookUpUserResponse};
use ids::UserId;
use runtime::Service;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

#[derive(Clone, Default)]
pub struct People(Arc<Mutex<HashMap<String, LookUpUserResponse>>>);

impl People {
    /// Somebody with an account.
    pub fn add(&self, email: &str, locale: &str) -> UserId {
        let user = UserId::new();
        let found = LookUpUserResponse {
            exists: true,
            active: true,
            email: email.to_owned(),
            display_name: "Ann".to_owned(),
            locale: locale.to_owned(),
            ..Default::default()
        };
        self.0.lock().unwrap().insert(user.to_string(), found);
        user
    }

    pub fn service(&self) -> Service {
        let routes = Routes::new(UserDirectoryServiceServer::new(self.clone()));
        Service { name: "identity", routes, roles: Vec::new() }
    }
}

#[tonic::async_trait]
impl UserDirectoryService for People {
    async fn look_up_user(
        &self,
        request: Request<LookUpUserRequest>,
    ) -> Result<Response<LookUpUserResponse>, Status> {
        let found = self.0.lock().unwrap().get(&request.get_ref().user_id).cloned();
        Ok(Response::new(found.unwrap_or_default()))
    }
}
