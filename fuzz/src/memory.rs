//! The bound on memory: no act on bytes from outside may need more than twice those bytes and a constant. It is
//! what keeps a length field from buying memory.

use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// What reading may take beside twice its input, in bytes: lists of at most 1,024 elements and oddities while they
/// grow, documents of at most 1,024 bytes, texts of errors.
pub const READING: usize = 64 * 1_024;

/// What signing may take beside twice its file, in bytes: one more list of 1,024 elements, which grows by the
/// envelope and so for a moment has three times its size. Nobody sends us things to sign.
pub const SIGNING: usize = 128 * 1_024;

/// What an engine may take for one hub beside twice what the hub said, in bytes: the image of 8 KiB encoded at the block
/// size that the hub chose, 31 KiB at the smallest, and again while the first is let go; bitmaps and frames.
pub const TALKING: usize = 128 * 1_024;

/// Runs an act on `input_len` bytes and returns what it returns.
///
/// # Panics
///
/// When at any moment of the act more memory was in use than at its beginning, by more than twice the input and
/// `beside`.
pub fn bounded<T>(act: &str, input_len: usize, beside: usize, run: impl FnOnce() -> T) -> T {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let result = run();
    let used = ALLOCATOR.peak_usage().saturating_sub(before);
    let allowed = 2 * input_len + beside;
    assert!(used <= allowed, "{act} of {input_len} bytes took {used} bytes of memory, allowed are {allowed}");
    result
}
