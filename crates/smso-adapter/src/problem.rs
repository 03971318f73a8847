//! What is said when it goes wrong: problem details after RFC 9457, and nothing of our insides.
//!
//! The kinds are one table, so that clients can rely on `type` and nobody invents a status on the way.

use std::borrow::Cow;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use campaign::{ApprovalError, CommandError, OrderError};
use firmware_image::IntakeError;
use serde::{Deserialize, Serialize};

use crate::desk::{ApproveFailure, CommandFailure, CreateError, TakeImageError, Unavailable};

/// A problem object, as it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Which kind of problem: `/problems/` and the kind's word.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The kind in words; the same for every problem of the kind.
    pub title: Cow<'static, str>,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time.
    pub detail: String,
}

/// The kinds of problem. Clients may rely on the words; none ever changes its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// There is no such route.
    UnknownRoute,
    /// The route does not do that.
    MethodNotAllowed,
    /// The request is not addressed to this engine.
    UnknownHost,
    /// The content type is not what the route takes.
    UnsupportedMediaType,
    /// The body is larger than the route takes.
    BodyTooLarge,
    /// The body did not come in time.
    BodyTimeout,
    /// The body cannot be read or is no JSON.
    MalformedBody,
    /// A value in body, path or query is not what it must be.
    InvalidRequest,
    /// The file is no sound OTA file.
    MalformedImage,
    /// The image is not believed.
    ImageRefused,
    /// The release is not believed, or not by enough people, or for something else.
    ApprovalRefused,
    /// The order makes no sense.
    InvalidOrder,
    /// The campaign's name is taken.
    CampaignExists,
    /// There is no such campaign.
    UnknownCampaign,
    /// There is no such device.
    UnknownDevice,
    /// The campaign is over.
    CampaignOver,
    /// Too many requests are under way.
    Busy,
    /// The engine does not answer.
    EngineUnavailable,
    /// The engine could not keep what it was given.
    NotStored,
}

impl ProblemKind {
    /// All kinds.
    pub const ALL: [ProblemKind; 19] = [
        ProblemKind::UnknownRoute,
        ProblemKind::MethodNotAllowed,
        ProblemKind::UnknownHost,
        ProblemKind::UnsupportedMediaType,
        ProblemKind::BodyTooLarge,
        ProblemKind::BodyTimeout,
        ProblemKind::MalformedBody,
        ProblemKind::InvalidRequest,
        ProblemKind::MalformedImage,
        ProblemKind::ImageRefused,
        ProblemKind::ApprovalRefused,
        ProblemKind::InvalidOrder,
        ProblemKind::CampaignExists,
        ProblemKind::UnknownCampaign,
        ProblemKind::UnknownDevice,
        ProblemKind::CampaignOver,
        ProblemKind::Busy,
        ProblemKind::EngineUnavailable,
        ProblemKind::NotStored,
    ];

    /// Returns the kind that a problem object names, if it is one of ours.
    pub fn of(problem: &Problem) -> Option<ProblemKind> {
        ProblemKind::ALL.into_iter().find(|kind| kind.row().0 == problem.kind)
    }

    /// Returns type, status and title.
    fn row(self) -> (&'static str, StatusCode, &'static str) {
        use StatusCode as Status;
        match self {
            ProblemKind::UnknownRoute => ("/problems/unknown-route", Status::NOT_FOUND, "no such route"),
            ProblemKind::MethodNotAllowed => {
                ("/problems/method-not-allowed", Status::METHOD_NOT_ALLOWED, "the route does not do that")
            }
            ProblemKind::UnknownHost => {
                ("/problems/unknown-host", Status::MISDIRECTED_REQUEST, "not addressed to this engine")
            }
            ProblemKind::UnsupportedMediaType => {
                ("/problems/unsupported-media-type", Status::UNSUPPORTED_MEDIA_TYPE, "wrong content type")
            }
            ProblemKind::BodyTooLarge => {
                ("/problems/body-too-large", Status::PAYLOAD_TOO_LARGE, "the body is too large")
            }
            ProblemKind::BodyTimeout => {
                ("/problems/body-timeout", Status::REQUEST_TIMEOUT, "the body did not come in time")
            }
            ProblemKind::MalformedBody => {
                ("/problems/malformed-body", Status::BAD_REQUEST, "the body cannot be read")
            }
            ProblemKind::InvalidRequest => {
                ("/problems/invalid-request", Status::UNPROCESSABLE_ENTITY, "a value is not what it must be")
            }
            ProblemKind::MalformedImage => {
                ("/problems/malformed-image", Status::UNPROCESSABLE_ENTITY, "no sound OTA file")
            }
            ProblemKind::ImageRefused => {
                ("/problems/image-refused", Status::FORBIDDEN, "the image is not believed")
            }
            ProblemKind::ApprovalRefused => {
                ("/problems/approval-refused", Status::FORBIDDEN, "the release approves nothing here")
            }
            ProblemKind::InvalidOrder => {
                ("/problems/invalid-order", Status::UNPROCESSABLE_ENTITY, "the order makes no sense")
            }
            ProblemKind::CampaignExists => {
                ("/problems/campaign-exists", Status::CONFLICT, "the campaign exists")
            }
            ProblemKind::UnknownDevice => ("/problems/unknown-device", Status::NOT_FOUND, "no such device"),
            ProblemKind::UnknownCampaign => {
                ("/problems/unknown-campaign", Status::NOT_FOUND, "no such campaign")
            }
            ProblemKind::CampaignOver => {
                ("/problems/campaign-over", Status::CONFLICT, "the campaign is over")
            }
            ProblemKind::Busy => {
                ("/problems/busy", Status::SERVICE_UNAVAILABLE, "too many requests are under way")
            }
            ProblemKind::EngineUnavailable => {
                ("/problems/engine-unavailable", Status::SERVICE_UNAVAILABLE, "the engine does not answer")
            }
            ProblemKind::NotStored => {
                ("/problems/not-stored", Status::INSUFFICIENT_STORAGE, "the engine could not store it")
            }
        }
    }

    /// Makes a problem of this kind.
    pub fn because(self, detail: impl Into<String>) -> Problem {
        let (kind, status, title) = self.row();
        let (kind, title) = (Cow::Borrowed(kind), Cow::Borrowed(title));
        Problem { kind, title, status: status.as_u16(), detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("the table has valid statuses");
        let body = serde_json::to_vec(&self).expect("a problem holds texts and a number");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Unavailable> for Problem {
    fn from(unavailable: Unavailable) -> Problem {
        ProblemKind::EngineUnavailable.because(unavailable.to_string())
    }
}

impl From<TakeImageError> for Problem {
    fn from(error: TakeImageError) -> Problem {
        match error {
            TakeImageError::Refused(IntakeError::Parse(error)) => {
                ProblemKind::MalformedImage.because(error.to_string())
            }
            TakeImageError::Refused(IntakeError::Verify(error)) => {
                ProblemKind::ImageRefused.because(error.to_string())
            }
            TakeImageError::Store(error) => {
                // Paths and the system's words are for our log, not for the caller.
                tracing::error!(%error, "an image cannot be stored");
                ProblemKind::NotStored.because("the image was verified and could not be written to disk")
            }
            TakeImageError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl From<OrderError> for Problem {
    fn from(error: OrderError) -> Problem {
        let kind = match error {
            OrderError::Exists(_) => ProblemKind::CampaignExists,
            _ => ProblemKind::InvalidOrder,
        };
        kind.because(error.to_string())
    }
}

impl From<CommandFailure> for Problem {
    fn from(failure: CommandFailure) -> Problem {
        let error = match failure {
            CommandFailure::Command(error) => error,
            CommandFailure::Unavailable(unavailable) => return unavailable.into(),
        };
        let kind = match error {
            CommandError::Unknown(_) => ProblemKind::UnknownCampaign,
            CommandError::Over { .. } => ProblemKind::CampaignOver,
            CommandError::Words { .. } => ProblemKind::InvalidRequest,
        };
        kind.because(error.to_string())
    }
}

impl From<ApproveFailure> for Problem {
    fn from(failure: ApproveFailure) -> Problem {
        let error = match failure {
            ApproveFailure::Approval(error) => error,
            ApproveFailure::Unavailable(unavailable) => return unavailable.into(),
        };
        match error {
            ApprovalError::Unknown(_) => ProblemKind::UnknownCampaign.because(error.to_string()),
            ApprovalError::Over { .. } => ProblemKind::CampaignOver.because(error.to_string()),
            ApprovalError::Document(cause) => {
                ProblemKind::ApprovalRefused.because(format!("the release is not believed: {cause}"))
            }
            _ => ProblemKind::ApprovalRefused.because(error.to_string()),
        }
    }
}

impl From<CreateError> for Problem {
    fn from(error: CreateError) -> Problem {
        match error {
            CreateError::Order(error) => error.into(),
            CreateError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}
