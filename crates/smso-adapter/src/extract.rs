//! Bodies, paths and queries: parsed once, here, and every failure is a problem of ours.

use std::sync::Arc;

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use campaign::CampaignId;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::gate::Office;
use crate::problem::{Problem, ProblemKind};

/// A body of JSON.
pub(crate) struct JsonBody<T>(pub(crate) T);

/// A file as the whole body, and the right to hold it in memory.
pub(crate) struct FileBody {
    pub(crate) bytes: Bytes,
    _room: OwnedSemaphorePermit,
}

/// The campaign that the path names.
pub(crate) struct Named(pub(crate) CampaignId);

/// The query string.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, D: Send + Sync> FromRequest<Arc<Office<D>>> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, office: &Arc<Office<D>>) -> Result<JsonBody<T>, Problem> {
        require_type(request.headers(), "application/json")?;
        let bytes = read_body(request, office).await?;
        let value = serde_json::from_slice(&bytes).map_err(|error| {
            let kind = match error.classify() {
                Category::Data => ProblemKind::InvalidRequest,
                Category::Syntax | Category::Eof | Category::Io => ProblemKind::MalformedBody,
            };
            // Line and column of the body that came: serde_json says them itself.
            kind.because(error.to_string())
        })?;
        Ok(JsonBody(value))
    }
}

impl<D: Send + Sync> FromRequest<Arc<Office<D>>> for FileBody {
    type Rejection = Problem;

    async fn from_request(request: Request, office: &Arc<Office<D>>) -> Result<FileBody, Problem> {
        // A type that no browser sends to a foreign host without asking first.
        require_type(request.headers(), "application/octet-stream")?;
        let room = office.uploads.clone().try_acquire_owned().map_err(|_| {
            let detail = format!("{} images are being handed in, which is the limit", office.limits.uploads);
            ProblemKind::Busy.because(detail)
        })?;
        Ok(FileBody { bytes: read_body(request, office).await?, _room: room })
    }
}

fn require_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Problem> {
    let found = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = found.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) {
        return Ok(());
    }
    Err(ProblemKind::UnsupportedMediaType.because(format!("expected Content-Type: {expected}")))
}

async fn read_body<D: Send + Sync>(request: Request, office: &Office<D>) -> Result<Bytes, Problem> {
    let read = timeout(office.limits.body_timeout, Bytes::from_request(request, &())).await;
    match read {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(rejection)) => Err(unread(&rejection)),
        Err(_) => {
            let waited = office.limits.body_timeout.as_secs();
            Err(ProblemKind::BodyTimeout.because(format!("expected the whole body within {waited} s")))
        }
    }
}

fn unread(rejection: &BytesRejection) -> Problem {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ProblemKind::BodyTooLarge.because("the body is larger than this route takes")
        }
        _ => ProblemKind::MalformedBody.because("the body ended early or is not well framed"),
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) =
            path.map_err(|rejection| ProblemKind::InvalidRequest.because(rejection.body_text()))?;
        let id = text
            .parse()
            .map_err(|error: campaign::OrderError| ProblemKind::InvalidRequest.because(error.to_string()))?;
        Ok(Named(id))
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked<T>, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(value) =
            query.map_err(|rejection| ProblemKind::InvalidRequest.because(rejection.body_text()))?;
        Ok(Asked(value))
    }
}
