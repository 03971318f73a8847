//! How many files a process may have open: a stream is one, and the usual limit is 1,024.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What a command has open beside its streams: terminals, a capture, sockets, lists, the runtime's own.
const OTHERS: u64 = 64;

/// Raises the limit of this process as far as `streams` need it and the hard limit allows.
///
/// Returns how many streams may then be open: `streams`, or fewer.
pub(crate) fn allow_streams(streams: u64) -> u64 {
    let wanted = streams.saturating_add(OTHERS);
    let limit = getrlimit(Resource::Nofile);
    // No number is no limit.
    let is_enough = |bound: Option<u64>| bound.is_none_or(|bound| bound >= wanted);
    if is_enough(limit.current) {
        return streams;
    }
    let raised = Some(limit.maximum.unwrap_or(wanted).min(wanted));
    let set = setrlimit(Resource::Nofile, Rlimit { current: raised, maximum: limit.maximum });
    let now = if set.is_ok() { raised } else { limit.current };
    now.unwrap_or(wanted).saturating_sub(OTHERS)
}
