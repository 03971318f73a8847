//! Whether anybody answers: for supervisors and load balancers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::desk::CampaignDesk;
use crate::gate::Office;
use crate::problem::Problem;
use crate::words::HealthView;

/// The process answers.
pub(super) async fn alive() -> Json<HealthView> {
    Json(HealthView { status: "ok".to_owned() })
}

/// The engine answers: it has taken up its ledger and takes commands.
pub(super) async fn ready<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
) -> Result<Json<HealthView>, Problem> {
    office.ask(office.desk.look(|_| ())).await?;
    Ok(Json(HealthView { status: "ok".to_owned() }))
}
