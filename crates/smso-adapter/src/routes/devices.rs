//! The devices of a campaign, a page at a time; and one device with all that the engine has on it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use campaign::Outcome;
use firmware_image::Eui64;
use serde::Deserialize;

use crate::desk::CampaignDesk;
use crate::extract::{Asked, Named};
use crate::gate::Office;
use crate::problem::{Problem, ProblemKind};
use crate::words::{DevicePage, ExplanationView, OutcomeFilter, page_of};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    #[serde(default)]
    offset: usize,
    #[serde(default = "PageQuery::usual_limit")]
    limit: usize,
    outcome: Option<String>,
}

impl PageQuery {
    fn usual_limit() -> usize {
        100
    }
}

/// Devices on one page at most: 0.6 MB of JSON.
const LIMIT_MAX: usize = 1_000;

/// Shows a page.
pub(super) async fn page<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
    Named(id): Named,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<DevicePage>, Problem> {
    let PageQuery { offset, limit, outcome } = query;
    if !(1..=LIMIT_MAX).contains(&limit) {
        let detail = format!("limit: expected 1 to {LIMIT_MAX}, found {limit}");
        return Err(ProblemKind::InvalidRequest.because(detail));
    }
    let filter = OutcomeFilter::parse(outcome.as_deref()).ok_or_else(|| {
        let words: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.as_str()).collect();
        ProblemKind::InvalidRequest
            .because(format!("outcome: expected pending or one of {}", words.join(", ")))
    })?;
    let (page, _) = office.look_at(&id, move |state, _| page_of(state, filter, offset, limit)).await?;
    Ok(Json(page))
}

/// Explains one device.
pub(super) async fn explain<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
    Path(device): Path<String>,
) -> Result<Json<ExplanationView>, Problem> {
    let device = device.parse::<Eui64>();
    let device = device.map_err(|error| ProblemKind::InvalidRequest.because(format!("device: {error}")))?;
    let look = office.desk.look(move |conductor| ExplanationView::of(conductor, device));
    match office.ask(look).await? {
        (Some(view), _) => Ok(Json(view)),
        (None, _) => {
            let detail = format!("neither the inventory nor a campaign names {device}");
            Err(ProblemKind::UnknownDevice.because(detail))
        }
    }
}
