//! What there is to be done, and who does it: the swarm, or, with a reason, the devices' own tests, or nobody.
//!
//! The swarm fails if it has not done all of [`SWARM`]; the devices' test `complement` fails if its scenes do not do all
//! of [`DEVICES`], or if a code that the wire has is in none of the three lists. Either fails if something is done that
//! stands in neither [`SWARM`] nor [`DEVICES`]. Of the steps that life cycles allow, only four are taken by nobody: a slot
//! is begun anew by way of NotInitiated, and never from a later status at once.

/// What some seed of the swarm must have brought about: alerts, steps of boards, codes that were sent, and steps of a
/// meter's stages and of a hub's slots.
pub const SWARM: &[&str] = &[
    "alert 0x00CA 0",
    "alert 0x00CA 2",
    "alert 0x00CA 3",
    "alert 0x0128 0",
    "alert 0x0128 1",
    "alert 0x0128 2",
    "alert 0x0128 3",
    "alert 0x819D",
    "alert 0x81AE",
    "alert 0x8F1C",
    "alert 0x8F1F",
    "alert 0x8F43",
    "alert 0x8F72",
    "bank emptied",
    "bank emptied in part",
    "bank retired",
    "boot Armed to Trial",
    "boot Settled to Armed",
    "boot Trial to Settled",
    "boot Trial to Trial",
    "boots what is confirmed",
    "boots what is on trial",
    "device asks for a page",
    "device status abort",
    "device status insufficient space",
    "device status invalid image",
    "device status not authorized",
    "device status success",
    "device status timeout",
    "hub asks for a slower pace",
    "hub association refused for its context",
    "hub exception",
    "hub own row Activated",
    "hub own row Downloading",
    "hub own row Idle",
    "hub own row Rejected",
    "hub own row Verified",
    "hub result object class inconsistent",
    "hub result object unavailable",
    "hub result object undefined",
    "hub result other reason",
    "hub result read-write denied",
    "hub result success",
    "hub result temporary failure",
    "hub result type unmatched",
    "hub row Activated",
    "hub row Activating",
    "hub row ActivationFailed",
    "hub row Declined",
    "hub row Downloading",
    "hub row Idle",
    "hub row OrderRefused",
    "hub row Rejected",
    "hub row Silent",
    "hub row Verified",
    "hub row Waiting",
    "hub status abort",
    "hub status no image available",
    "hub status success",
    "hub status wait for data",
    "meter Downloading to Normal",
    "meter Downloading to Verifying",
    "meter Normal to Querying",
    "meter Querying to CountDown",
    "meter Querying to Downloading",
    "meter Querying to Normal",
    "meter Querying to Reporting",
    "meter Querying to Verifying",
    "meter Querying to Waiting",
    "meter Reporting to CountDown",
    "meter Reporting to Normal",
    "meter Reporting to Waiting",
    "meter Verifying to Reporting",
    "meter Waiting to CountDown",
    "meter Waiting to Normal",
    "meter Waiting to Querying",
    "slot ActivationInitiated to ActivationFailed",
    "slot ActivationInitiated to ActivationSuccessful",
    "slot Initiated to NotInitiated",
    "slot Initiated to VerificationInitiated",
    "slot NotInitiated to Initiated",
    "slot VerificationFailed to Initiated",
    "slot VerificationFailed to NotInitiated",
    "slot VerificationInitiated to VerificationFailed",
    "slot VerificationInitiated to VerificationSuccessful",
    "slot VerificationSuccessful to ActivationInitiated",
    "slot VerificationSuccessful to NotInitiated",
];

/// What is answered to commands that the other side does not know.
pub const TO_STRANGE_COMMANDS: &[&str] = &[
    "hub status malformed command",
    "hub status unsupported cluster command",
    "hub status unsupported general command",
    "hub status unsupported manufacturer cluster command",
    "hub status unsupported manufacturer general command",
    "device status unsupported attribute",
    "device status unsupported cluster command",
    "device status unsupported general command",
    "device status unsupported manufacturer cluster command",
    "device status unsupported manufacturer general command",
];

/// What a scene of the devices' tests must have brought about, as no seed does it for certain, and why not.
pub const DEVICES: &[(&str, &[&str])] = &[
    (
        "no campaign orders an activation for later, so nothing changes while one is waited for",
        &["alert 0x8F66", "alert 0x8F67", "meter CountDown to Normal", "meter CountDown to Waiting"],
    ),
    (
        "a head-end orders what a device says it holds; that it has just thrown it away is one seed in thousands",
        &["alert 0x00CA 1"],
    ),
    (
        "a fault that spoils what runs or is being tried would be a brick, or a device that never comes to its end",
        &["alert 0x8F1B", "boot Armed to Settled", "boots what ran before", "boots nothing"],
    ),
    ("no fault silences a device on the mains for a day", &["alert 0x8F84"]),
    ("hubs and devices say nothing to one another that the other does not know", TO_STRANGE_COMMANDS),
    ("the head-end asks for no mechanism in the clear", &["hub association refused for its mechanism"]),
    ("trouble is dealt to what is behind the hub, so that few hubs fail", &["hub own row ActivationFailed"]),
    (
        "a campaign brings a slot one image and its device one order",
        &[
            "bank of what ran before emptied",
            "slot VerificationInitiated to NotInitiated",
            "slot ActivationSuccessful to NotInitiated",
            "slot ActivationFailed to NotInitiated",
            "slot ActivationFailed to ActivationInitiated",
            "slot ActivationFailed to ActivationSuccessful",
        ],
    ),
];

/// Codes that the wire has and nobody here sends, and why not.
pub const NOBODY: &[(&str, &[&str])] = &[
    (
        "what a hub does not offer is not available, and nobody reads its attributes",
        &["hub status not authorized", "hub status unsupported attribute"],
    ),
    (
        "a client's word, not a server's",
        &[
            "hub status insufficient space",
            "hub status timeout",
            "hub status invalid image",
            "hub status require more image",
        ],
    ),
    (
        "a server's word, not a client's",
        &[
            "device status malformed command",
            "device status wait for data",
            "device status no image available",
        ],
    ),
    ("every image of these devices is one file", &["device status require more image"]),
    (
        "the cluster has a better word for each of these",
        &[
            "hub status failure",
            "hub status invalid field",
            "hub status invalid value",
            "device status failure",
            "device status invalid field",
            "device status invalid value",
        ],
    ),
    ("flash that is worn is answered as no room is", &["hub result hardware fault"]),
    (
        "of services that this server does not offer: selective access and transfers in blocks",
        &[
            "hub result scope of access violated",
            "hub result data block unavailable",
            "hub result long action aborted",
            "hub result no long action in progress",
        ],
    ),
    (
        "a hub does not wait for itself, and is away while it activates",
        &[
            "hub own row Waiting",
            "hub own row Activating",
            "hub own row OrderRefused",
            "hub own row Silent",
            "hub own row Declined",
        ],
    ),
    (
        "no steps: a trial follows an order, and an order a boot record that is settled",
        &["boot Settled to Settled", "boot Settled to Trial", "boot Armed to Armed", "boot Trial to Armed"],
    ),
];

/// Returns what the swarm must do.
pub fn of_swarm() -> impl Iterator<Item = &'static str> {
    SWARM.iter().copied()
}

/// Returns what the devices' tests must do.
pub fn of_devices() -> impl Iterator<Item = &'static str> {
    DEVICES.iter().flat_map(|(_, words)| words.iter().copied())
}

/// Returns the codes that nobody sends.
pub fn of_nobody() -> impl Iterator<Item = &'static str> {
    NOBODY.iter().flat_map(|(_, words)| words.iter().copied())
}

/// Returns whether something is in neither list, although it is one of the things that are listed here.
pub fn is_unlisted(word: &str) -> bool {
    const KINDS: [&str; 8] = ["alert ", "bank ", "boot ", "boots ", "device ", "hub ", "meter ", "slot "];
    KINDS.iter().any(|kind| word.starts_with(kind))
        && !of_swarm().chain(of_devices()).any(|known| known == word)
}
