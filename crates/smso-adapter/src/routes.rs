//! Who answers what.

mod campaigns;
mod commands;
mod devices;
mod health;
mod images;
mod metrics;
mod register;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, Uri};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use firmware_image::{MAX_FILE_LEN, MAX_RELEASE_LEN};

use crate::desk::CampaignDesk;
use crate::gate::{Limits, Office, admit};
use crate::problem::{Problem, ProblemKind};

/// The largest order: 50,000 devices are 1.3 MB of JSON, or 1.9 MB when every one has a line of its own.
const MAX_ORDER_LEN: usize = 2 << 20;

/// Makes the API over a desk.
pub fn router<D: CampaignDesk>(desk: D, limits: Limits) -> Router {
    let office = Arc::new(Office::new(desk, limits));
    let hand_in = post(images::hand_in::<D>).layer(DefaultBodyLimit::max(MAX_FILE_LEN));
    let create = post(campaigns::create::<D>).layer(DefaultBodyLimit::max(MAX_ORDER_LEN));
    let approve = post(commands::approve::<D>).layer(DefaultBodyLimit::max(MAX_RELEASE_LEN));
    Router::new()
        .route("/v1/images", hand_in.get(images::list::<D>))
        .route("/v1/register/entries", get(register::entries::<D>))
        .route("/v1/campaigns", create.get(campaigns::list::<D>))
        .route("/v1/campaigns/{id}", get(campaigns::show::<D>))
        .route("/v1/campaigns/{id}/makespan", get(campaigns::makespan::<D>))
        .route("/v1/campaigns/{id}/devices", get(devices::page::<D>))
        .route("/v1/devices/{device}", get(devices::explain::<D>))
        .route("/v1/campaigns/{id}/rejections", get(campaigns::rejections::<D>))
        .route("/v1/campaigns/{id}/approvals", approve)
        .route("/v1/campaigns/{id}/pause", post(commands::pause::<D>))
        .route("/v1/campaigns/{id}/resume", post(commands::resume::<D>))
        .route("/v1/campaigns/{id}/abort", post(commands::abort::<D>))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready::<D>))
        .route("/metrics", get(metrics::scrape::<D>))
        .fallback(unknown_route)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(office.clone(), admit::<D>))
        .with_state(office)
}

async fn unknown_route(uri: Uri) -> Problem {
    ProblemKind::UnknownRoute.because(format!("there is nothing at {}", uri.path()))
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    ProblemKind::MethodNotAllowed.because(format!("{} does not take {method}", uri.path()))
}
