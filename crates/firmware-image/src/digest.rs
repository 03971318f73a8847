//! The two digests an image is known by: of the whole file, and of the payload alone.
//! They are different types because mixing them up would activate the wrong thing.

use core::fmt;
use core::str::FromStr;

use sha2::{Digest, Sha256};

use crate::notation::{NotationError, parse_hex_bytes, serde_as_text, write_hex};

/// Gives a SHA-256 digest its name, its text form and its maker.
macro_rules! digest {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Computes the digest of these bytes.
            pub fn of(bytes: &[u8]) -> $name {
                $name(sha256(bytes))
            }

            /// Takes a digest that was computed or recorded elsewhere.
            pub const fn from_bytes(bytes: [u8; 32]) -> $name {
                $name(bytes)
            }

            /// Returns the 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_hex(&self.0, formatter)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = NotationError;

            fn from_str(text: &str) -> Result<Self, NotationError> {
                parse_hex_bytes(text)
                    .map($name)
                    .ok_or_else(|| NotationError::new($what, "64 hexadecimal digits", text))
            }
        }

        serde_as_text!($name);
    };
}

digest!(
    /// The SHA-256 of a whole file as it travels: the DLMS image identification and the key of every store.
    FileDigest,
    "file digest"
);
digest!(
    /// The SHA-256 of a payload: what manifests, activation orders and product lists name.
    ImageDigest,
    "image digest"
);

/// Computes a SHA-256 that has no name of its own.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
