//! Images: handing in, and what is there.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;

use crate::desk::CampaignDesk;
use crate::extract::FileBody;
use crate::gate::Office;
use crate::problem::Problem;
use crate::words::{ImageList, ImageView};

/// Verifies and keeps an image. 201 when it is new, 200 when the desk had it: handing in twice is harmless.
pub(super) async fn hand_in<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
    file: FileBody,
) -> Result<(StatusCode, Json<ImageView>), Problem> {
    let taken = office.ask(office.desk.take_image(file.bytes.clone())).await;
    let taken = taken.inspect_err(|problem| tracing::warn!(problem = %problem.detail, "image not taken"))?;
    let view = ImageView::from(&taken.image);
    tracing::info!(image = %view.file_digest, signers = ?view.signers, known = taken.known, "image taken");
    let status = if taken.known { StatusCode::OK } else { StatusCode::CREATED };
    Ok((status, Json(view)))
}

/// Lists the images at the desk.
pub(super) async fn list<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
) -> Result<Json<ImageList>, Problem> {
    let look = office.desk.look(|conductor| conductor.images().map(ImageView::from).collect());
    let (images, _) = office.ask(look).await?;
    Ok(Json(ImageList { images }))
}
