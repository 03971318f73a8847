//! The product list, as far as clients need it to name targets.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use firmware_image::ImageDigest;
use serde::Deserialize;

use crate::desk::CampaignDesk;
use crate::extract::Asked;
use crate::gate::Office;
use crate::problem::Problem;
use crate::words::{EntryList, EntryView};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntriesQuery {
    digest: ImageDigest,
}

/// Entries shown at most. A payload stands for one model or a few.
const ENTRIES_MAX: usize = 1_000;

/// Lists the entries for which a payload is registered.
pub(super) async fn entries<D: CampaignDesk>(
    State(office): State<Arc<Office<D>>>,
    Asked(query): Asked<EntriesQuery>,
) -> Result<Json<EntryList>, Problem> {
    let look = office.desk.look(move |conductor| {
        let entries = conductor.desk().register.entries();
        let registered =
            entries.filter(|entry| entry.image.is_some_and(|image| image.digest == query.digest));
        registered.take(ENTRIES_MAX).map(EntryView::from).collect()
    });
    let (entries, _) = office.ask(look).await?;
    Ok(Json(EntryList { entries }))
}
