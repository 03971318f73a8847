//! The threats and attacks that the corpus must name: those of SUIT's information model (RFC 9124, section 4.2), of The
//! Update Framework and of Uptane. What no vector can show stands here with its reason.

/// The threats of RFC 9124, without their prefix `THREAT.`.
pub const SUIT: [&str; 18] = [
    "IMG.EXPIRED",
    "IMG.EXPIRED.OFFLINE",
    "IMG.INCOMPATIBLE",
    "IMG.FORMAT",
    "IMG.LOCATION",
    "NET.REDIRECT",
    "NET.ONPATH",
    "IMG.REPLACE",
    "IMG.NON_AUTH",
    "UPD.WRONG_PRECURSOR",
    "UPD.UNAPPROVED",
    "IMG.DISCLOSURE",
    "MFST.OVERRIDE",
    "MFST.EXPOSURE",
    "IMG.EXTRA",
    "KEY.EXPOSURE",
    "MFST.MODIFICATION",
    "MFST.TOCTOU",
];

/// The attacks of The Update Framework (specification, 1.5.2).
pub const TUF: [&str; 10] = [
    "TUF arbitrary software",
    "TUF rollback",
    "TUF fast-forward",
    "TUF indefinite freeze",
    "TUF endless data",
    "TUF extraneous dependencies",
    "TUF mix-and-match",
    "TUF wrong software",
    "TUF malicious mirrors",
    "TUF key compromise",
];

/// The attacks of Uptane (standard, 3.2 and 3.3).
pub const UPTANE: [&str; 12] = [
    "Uptane eavesdrop",
    "Uptane drop-request",
    "Uptane slow retrieval",
    "Uptane freeze",
    "Uptane partial bundle",
    "Uptane rollback",
    "Uptane endless data",
    "Uptane mixed bundles",
    "Uptane mix-and-match",
    "Uptane replay",
    "Uptane arbitrary software",
    "Uptane key compromise",
];

/// What is not shown by a vector, and why.
pub const ELSEWHERE: [(&str, &str); 5] = [
    (
        "IMG.DISCLOSURE",
        "no goal: encrypting an image is left to its manufacturer, whose payload may be ciphertext",
    ),
    ("MFST.EXPOSURE", "no goal: a manifest holds versions and digests, which attribute reads tell anybody"),
    ("Uptane eavesdrop", "no goal, as above: images are authentic and not secret"),
    (
        "Uptane drop-request",
        "detected, not prevented: transfer-engine ends a session without progress as stalled, never as a success",
    ),
    (
        "Uptane slow retrieval",
        "held by the floor rate and the deadlines of transfer-engine and by its own tests",
    ),
];

/// Returns the threats that neither a vector nor the list above names.
pub fn unnamed(named: &[&str]) -> Vec<&'static str> {
    let all = SUIT.iter().chain(&TUF).chain(&UPTANE);
    let elsewhere = |threat: &str| ELSEWHERE.iter().any(|(name, _)| *name == threat);
    all.copied().filter(|threat| !named.contains(threat) && !elsewhere(threat)).collect()
}

/// Returns the names that no list knows: a slip of the pen would count for a threat otherwise.
pub fn unknown<'a>(named: &[&'a str]) -> Vec<&'a str> {
    let known = |threat: &&&str| SUIT.contains(*threat) || TUF.contains(*threat) || UPTANE.contains(*threat);
    named.iter().filter(|threat| !known(threat)).copied().collect()
}
