//! Campaigns: ordering, listing, showing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use campaign::{CampaignId, CampaignState, Conductor};
use ledger::Head;
use tokio::task::spawn_blocking;

use crate::desk::CampaignDesk;
use crate::extract::{JsonBody, Named};
use crate::gate::Office;
use crate::problem::{Problem, ProblemKind};
use crate::words::{
    CampaignList, CampaignSummary, CampaignView, CreatedView, MakespanView, OrderRequest, RejectionsView, Run,
};

/// Orders a campaign. A name that is taken is answered with 409, also when the order is the same one.
pub(super) async fn create<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
    JsonBody(request): JsonBody<OrderRequest>,
) -> Result<(StatusCode, [(axum::http::HeaderName, String); 1], Json<CreatedView>), Problem> {
    let fresh_id = office.desk.fresh_id();
    let (order, _) =
        office.ask(office.desk.look(move |conductor| request.into_order(conductor, fresh_id))).await?;
    let order =
        order.inspect_err(|problem| tracing::warn!(problem = %problem.detail, "order not accepted"))?;
    let id = order.id.clone();
    let created = office.ask(office.desk.create(order)).await;
    created.inspect_err(
        |problem| tracing::warn!(campaign = %id, problem = %problem.detail, "order not accepted"),
    )?;
    let (view, _) = office.look_at(&id, |state, _| CreatedView::from(state)).await?;
    let location = format!("/v1/campaigns/{id}");
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(view)))
}

/// Lists all campaigns.
pub(super) async fn list<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
) -> Result<Json<CampaignList>, Problem> {
    let look = office.desk.look(|conductor| conductor.campaigns().map(CampaignSummary::from).collect());
    let (campaigns, _) = office.ask(look).await?;
    Ok(Json(CampaignList { campaigns }))
}

/// Shows one campaign.
pub(super) async fn show<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
    Named(id): Named,
) -> Result<Json<CampaignView>, Problem> {
    let (view, head) = office.look_at(&id, CampaignView::of).await?;
    Ok(Json(view(head)))
}

/// Says how long a finished campaign took, beside its bound. That is reckoned beside the engine, one campaign at a time: a
/// campaign that nobody waits for any more goes on being reckoned, and the next has to wait.
pub(super) async fn makespan<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
    Named(id): Named,
) -> Result<Json<MakespanView>, Problem> {
    let (run, _) = office.look_at(&id, Run::of).await?;
    let room = Arc::clone(&office.reckonings);
    let reckon = async {
        let turn = room.acquire_owned().await;
        let reckoned = spawn_blocking(move || {
            let _turn = turn;
            run.reckon()
        });
        reckoned.await.map_err(|error| ProblemKind::EngineUnavailable.because(error.to_string()))
    };
    Ok(Json(office.ask(reckon).await?))
}

/// Lists the devices that the gate turned down.
pub(super) async fn rejections<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
    Named(id): Named,
) -> Result<Json<RejectionsView>, Problem> {
    let (view, _) = office.look_at(&id, |state, _| RejectionsView::from(state)).await?;
    Ok(Json(view))
}

impl<D: CampaignDesk> Office<D> {
    /// Looks at one campaign, if there is such a one.
    pub(super) async fn look_at<R: Send + 'static>(
        &self,
        id: &CampaignId,
        look: impl FnOnce(&CampaignState, &Conductor) -> R + Send + 'static,
    ) -> Result<(R, Head), Problem> {
        let wanted = id.clone();
        let found = self.desk.look(move |conductor| Some(look(conductor.campaign(&wanted)?, conductor)));
        match self.ask(found).await? {
            (Some(seen), head) => Ok((seen, head)),
            (None, _) => Err(ProblemKind::UnknownCampaign.because(format!("there is no campaign {id}"))),
        }
    }
}
