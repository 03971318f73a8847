//! What the adapter asks of the engine. Whoever runs a conductor implements it: the `lamplighter` command with
//! a head-end, the tests in memory.

use bytes::Bytes;
use campaign::{
    ApprovalError, CampaignId, CampaignOrder, Command, CommandError, CommandRecord, Conductor, Heeded,
    OrderError,
};
use firmware_image::{IntakeError, SignedRelease, VerifiedImage};
use ledger::Head;
use thiserror::Error;

/// A running engine, as the API needs it.
pub trait CampaignDesk: Send + Sync + 'static {
    /// Verifies a file and, if it is believed, keeps it for good before this returns.
    fn take_image(&self, file: Bytes) -> impl Future<Output = Result<Taken, TakeImageError>> + Send;

    /// Accepts an order; it is durable with its verdicts when this returns.
    fn create(&self, order: CampaignOrder) -> impl Future<Output = Result<(), CreateError>> + Send;

    /// Passes an operator's command on; what it changed is durable when this returns.
    fn command(
        &self,
        campaign: CampaignId,
        command: Command,
        asked: CommandRecord,
    ) -> impl Future<Output = Result<Heeded, CommandFailure>> + Send;

    /// Takes over the approvals that a release carries; they are durable when this returns.
    fn approve(
        &self,
        campaign: CampaignId,
        release: SignedRelease,
    ) -> impl Future<Output = Result<Heeded, ApproveFailure>> + Send;

    /// Looks at the conductor. Returns what was seen once all of it is durable, and the ledger's head then.
    fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Conductor) -> R + Send + 'static,
    ) -> impl Future<Output = Result<(R, Head), Unavailable>> + Send;

    /// Makes an id for an order that brings none; never the same twice.
    fn fresh_id(&self) -> CampaignId;
}

/// An image that was handed in and believed.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The image.
    pub image: VerifiedImage,
    /// True when the desk had it before.
    pub known: bool,
}

/// The engine takes no commands: it is stopping, or has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the engine takes no commands")]
pub struct Unavailable;

/// Why an image is not taken.
#[derive(Debug, Error)]
pub enum TakeImageError {
    /// It is no sound file, or not believed.
    #[error(transparent)]
    Refused(#[from] IntakeError),
    /// It is believed, and could not be kept.
    #[error("the image cannot be stored")]
    Store(#[source] std::io::Error),
    /// There is no engine.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a command is not heeded.
#[derive(Debug, Error)]
pub enum CommandFailure {
    /// The campaign does not take it.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// There is no engine.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a release approves nothing.
#[derive(Debug, Error)]
pub enum ApproveFailure {
    /// It is not what it must be.
    #[error(transparent)]
    Approval(#[from] ApprovalError),
    /// There is no engine.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why an order is not accepted.
#[derive(Debug, Error)]
pub enum CreateError {
    /// The order makes no sense.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// There is no engine.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}
