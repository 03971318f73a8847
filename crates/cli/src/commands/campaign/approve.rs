//! `lamplighter campaign approve`: hands the signed release over to the engine, whose signatures are the approvals.

use std::fmt;
use std::path::PathBuf;

use campaign::CampaignId;
use clap::Args;
use firmware_image::MAX_RELEASE_LEN;
use serde::Serialize;
use smso_adapter::ApprovalView;

use super::EngineArguments;
use crate::exit::Failure;
use crate::files;
use crate::output::Output;

/// Hand the approvals of a campaign over to the engine.
///
/// They are the signatures on its release, which `image release` makes and `image approve` adds to: for this campaign,
/// its images and exactly its devices. A campaign whose policy asks for approvals activates nothing before. Exit code 4:
/// the release is not believed, not signed by enough people, or for something else.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  lamplighter campaign approve autumn autumn.release")]
pub(crate) struct Arguments {
    #[command(flatten)]
    engine: EngineArguments,
    /// Name of the campaign.
    id: CampaignId,
    /// Its release.
    #[arg(value_name = "RELEASE")]
    release: PathBuf,
}

pub(super) fn run(arguments: &Arguments, output: &Output) -> Result<(), Failure> {
    let release = files::read(&arguments.release, MAX_RELEASE_LEN)?;
    let path = format!("/v1/campaigns/{}/approvals", arguments.id);
    let view: ApprovalView = arguments
        .engine
        .client()?
        .post_file(&path, &release)
        .map_err(|failure| failure.at(arguments.release.display()))?;
    output.report(&ApproveReport(view))?;
    output.talk(format_args!("next: lamplighter campaign show {} --watch", arguments.id));
    Ok(())
}

/// Who stands behind a campaign.
#[derive(Debug, Serialize)]
#[serde(transparent)]
struct ApproveReport(ApprovalView);

impl fmt::Display for ApproveReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ApprovalView { id, approved_by, needed, expires, changed } = &self.0;
        let already = if *changed { "" } else { " already" };
        let by = approved_by.join(", ");
        writeln!(f, "campaign {id} is{already} approved by {by}: {needed} needed, good until {expires}")
    }
}
