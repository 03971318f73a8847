//! The running head-end as the HTTP API needs it: here two shells are joined.

use std::sync::Arc;

use bytes::Bytes;
use campaign::{CampaignId, CampaignOrder, Command, CommandRecord, Conductor, Heeded};
use firmware_image::{SignedRelease, TrustStore};
use head_end::{HeadEndHandle, Stopped};
use ledger::Head;
use smso_adapter::{
    ApproveFailure, CampaignDesk, CommandFailure, CreateError, TakeImageError, Taken, Unavailable,
};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::images::ImageFolder;

/// What stands between the API and the engine.
pub(super) struct LiveDesk {
    pub(super) head_end: HeadEndHandle,
    /// Who is believed of images now; a rotation changes it.
    pub(super) trust: watch::Receiver<Arc<TrustStore>>,
    pub(super) images: Arc<ImageFolder>,
}

impl CampaignDesk for LiveDesk {
    async fn take_image(&self, file: Bytes) -> Result<Taken, TakeImageError> {
        let (trust, images) = (self.trust.borrow().clone(), self.images.clone());
        // Hashing and syncing 10 MB would hold up everybody else on this thread.
        let kept = spawn_blocking(move || {
            let image = trust.verify_bytes(file)?;
            images.keep(&image).map_err(TakeImageError::Store)?;
            Ok::<_, TakeImageError>(image)
        });
        let image = kept.await.map_err(|_| Unavailable)??;
        let offered = image.clone();
        let (known, _) = self
            .head_end
            .call(move |conductor, _| {
                let known = conductor.images().any(|image| image.file_digest() == offered.file_digest());
                conductor.add_image(offered);
                known
            })
            .await
            .map_err(gone)?;
        Ok(Taken { image, known })
    }

    async fn create(&self, order: CampaignOrder) -> Result<(), CreateError> {
        let created = self.head_end.call(move |conductor, now| conductor.create(now, &order)).await;
        let (result, _) = created.map_err(gone)?;
        Ok(result?)
    }

    async fn command(
        &self,
        campaign: CampaignId,
        command: Command,
        asked: CommandRecord,
    ) -> Result<Heeded, CommandFailure> {
        let asked = move |conductor: &mut Conductor, now| conductor.command(now, &campaign, command, asked);
        let (heeded, _) = self.head_end.call(asked).await.map_err(gone)?;
        Ok(heeded?)
    }

    async fn approve(&self, campaign: CampaignId, release: SignedRelease) -> Result<Heeded, ApproveFailure> {
        let approve = move |conductor: &mut Conductor, now| conductor.approve(now, &campaign, &release);
        let (heeded, _) = self.head_end.call(approve).await.map_err(gone)?;
        Ok(heeded?)
    }

    async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&Conductor) -> R + Send + 'static,
    ) -> Result<(R, Head), Unavailable> {
        let (seen, pulse) = self.head_end.call(move |conductor, _| look(conductor)).await.map_err(gone)?;
        Ok((seen, pulse.head))
    }

    /// Ids that sort by the time they were made.
    fn fresh_id(&self) -> CampaignId {
        format!("c-{}", Uuid::now_v7()).parse().expect("a UUID has letters, digits and dashes only")
    }
}

fn gone(Stopped: Stopped) -> Unavailable {
    Unavailable
}
