//! What operators may do with a campaign: pause, resume, abort, approve. Asking twice is harmless.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use campaign::{CampaignId, Command, Heeded};
use firmware_image::SignedRelease;

use crate::desk::CampaignDesk;
use crate::extract::{FileBody, JsonBody, Named};
use crate::gate::Office;
use crate::problem::{Problem, ProblemKind};
use crate::words::{ApprovalView, CommandRequest, CommandView};

/// Has a campaign wait.
pub(super) async fn pause<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
    Named(id): Named,
    JsonBody(request): JsonBody<CommandRequest>,
) -> Result<Json<CommandView>, Problem> {
    office.pass_on(id, Command::Pause, request).await
}

/// Has it go on.
pub(super) async fn resume<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
    Named(id): Named,
    JsonBody(request): JsonBody<CommandRequest>,
) -> Result<Json<CommandView>, Problem> {
    office.pass_on(id, Command::Resume, request).await
}

/// Ends it for good.
pub(super) async fn abort<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
    Named(id): Named,
    JsonBody(request): JsonBody<CommandRequest>,
) -> Result<Json<CommandView>, Problem> {
    office.pass_on(id, Command::Abort, request).await
}

/// Takes over the approvals that a release carries.
pub(super) async fn approve<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
    Named(id): Named,
    file: FileBody,
) -> Result<Json<ApprovalView>, Problem> {
    let release = SignedRelease::from_bytes(&file.bytes);
    let release = release.map_err(|error| ProblemKind::ApprovalRefused.because(error.to_string()))?;
    let taken = office.ask(office.desk.approve(id.clone(), release)).await;
    let heeded = taken.inspect_err(
        |problem| tracing::warn!(campaign = %id, problem = %problem.detail, "approval not taken"),
    )?;
    let (view, _) =
        office.look_at(&id, move |state, _| ApprovalView::of(state, heeded == Heeded::Now)).await?;
    Ok(Json(view))
}

impl<D: CampaignDesk> Office<D> {
    async fn pass_on(
        &self,
        id: CampaignId,
        command: Command,
        request: CommandRequest,
    ) -> Result<Json<CommandView>, Problem> {
        let passed = self.ask(self.desk.command(id.clone(), command, request.into())).await;
        let heeded = passed.inspect_err(
            |problem| tracing::warn!(campaign = %id, problem = %problem.detail, "command not heeded"),
        )?;
        let (view, _) =
            self.look_at(&id, move |state, _| CommandView::of(state, heeded == Heeded::Now)).await?;
        Ok(Json(view))
    }
}
