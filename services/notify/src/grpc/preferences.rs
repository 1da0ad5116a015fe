//! `PreferenceService`.

use contracts::vbwd::notify::v1 as proto;
use contracts::vbwd::notify::v1::preference_service_server::PreferenceService;
use eventstore::storage;
use fault::Fault;
use tonic::{Request, Response, Status};

use super::Rpcs;
use crate::catalogue::Category;
use crate::wishes::{self, Wish};

type Answer<M> = Result<Response<M>, Status>;

#[tonic::async_trait]
impl PreferenceService for Rpcs {
    async fn get_my_preferences(
        &self,
        request: Request<proto::GetMyPreferencesRequest>,
    ) -> Answer<proto::GetMyPreferencesResponse> {
        let (caller, _) = self.context(&request)?;
        let user = caller.user()?;
        let mut reading = self.store.read(caller.tenant).await?;
        let mut preferences = Vec::new();
        for category in mine() {
            let wish = wishes::wish(&mut reading, caller.tenant, user, category).await?;
            preferences.push(preference(category, wish));
        }
        reading.rollback().await.map_err(storage)?;
        Ok(Response::new(proto::GetMyPreferencesResponse { preferences }))
    }

    async fn set_my_preference(
        &self,
        request: Request<proto::SetMyPreferenceRequest>,
    ) -> Answer<proto::SetMyPreferenceResponse> {
        let (caller, context) = self.context(&request)?;
        let (user, message) = (caller.user()?, request.into_inner());
        let known = mine().find(|category| category.name() == message.category);
        let category = known.ok_or_else(|| Fault::not_found("category"))?;
        if !category.is_optional() {
            let text = "What protects your account or is owed to you cannot be silenced.";
            return Err(Fault::rejected("category_not_optional", text).into());
        }
        let wish = Wish { email: message.email, in_app: message.in_app };
        let mut unit = self.store.begin(&context).await?;
        wishes::set_wish(unit.connection(), context.tenant, (user, category), wish).await?;
        unit.commit().await?;
        Ok(Response::new(proto::SetMyPreferenceResponse { preference: Some(preference(category, wish)) }))
    }

    async fn get_unsubscription(
        &self,
        request: Request<proto::GetUnsubscriptionRequest>,
    ) -> Answer<proto::GetUnsubscriptionResponse> {
        let (caller, _) = self.context(&request)?;
        let (_, category) = wishes::read(&self.secrets, caller.tenant, &request.get_ref().token)?;
        Ok(Response::new(proto::GetUnsubscriptionResponse { category: category.name().to_owned() }))
    }

    async fn unsubscribe(
        &self,
        request: Request<proto::UnsubscribeRequest>,
    ) -> Answer<proto::UnsubscribeResponse> {
        let (caller, context) = self.context(&request)?;
        let (whose, category) = wishes::read(&self.secrets, caller.tenant, &request.get_ref().token)?;
        let mut unit = self.store.begin(&context).await?;
        let now = self.clock.wall();
        wishes::unsubscribe(unit.connection(), context.tenant, (&whose, category), now).await?;
        unit.commit().await?;
        Ok(Response::new(proto::UnsubscribeResponse { category: category.name().to_owned() }))
    }
}

/// Categories that customers know of.
fn mine() -> impl Iterator<Item = Category> {
    Category::ALL.into_iter().filter(|category| *category != Category::Operations)
}

fn preference(category: Category, wish: Wish) -> proto::Preference {
    proto::Preference {
        category: category.name().to_owned(),
        optional: category.is_optional(),
        email: wish.email,
        in_app: wish.in_app,
    }
}
