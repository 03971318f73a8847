//! Encrypted PKCS#8 files (RFC 5958): PBES2 of RFC 8018 around a private key, undone within bounds and made.
//! What the plain bytes mean is left to `signing_key`.
//!
//! AES-CBC hides and does not authenticate: a file that was tampered with can open as another key, which its
//! public half shows. What is ours is wiped, the plain bytes and the text; what the `pkcs5` crate leaves on its
//! stack is not.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;

use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters, Pbkdf2Params, ScryptParams};
use pkcs8::pkcs5::{EncryptionScheme, scrypt};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef, SecretDocument};
use zeroize::Zeroizing;

use crate::key::{ENCRYPTED_LABEL, KeyError, require_label};

/// Random bytes for one encrypted file. Not secret, but never used for a second one.
#[derive(Clone, Copy, Debug)]
pub struct FreshBytes {
    /// Makes equal passphrases into different keys.
    pub salt: [u8; 16],
    /// Where AES-256-CBC begins.
    pub initialization_vector: [u8; 16],
}

/// Undoes the encryption with a passphrase, if that costs no more than an honest file asks for.
pub(crate) fn decrypt(text: &str, passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    require_label(text, ENCRYPTED_LABEL)?;
    let malformed = |reason: String| KeyError::Malformed { reason };
    let (_, document) = SecretDocument::from_pem(text).map_err(|error| malformed(error.to_string()))?;
    let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes()).map_err(unknown)?;
    let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
        return Err(unknown("found PBES1"));
    };
    check_cost(&parameters.kdf)?;
    let mut buffer = Zeroizing::new(info.encrypted_data.as_bytes().to_vec());
    let len = match parameters.decrypt_in_place(passphrase, &mut buffer) {
        Ok(plain) => plain.len(),
        Err(pkcs8::pkcs5::Error::DecryptFailed) => return Err(KeyError::WrongPassphrase),
        Err(error) => return Err(unknown(error)),
    };
    buffer.truncate(len);
    Ok(buffer)
}

fn unknown(found: impl Display) -> KeyError {
    KeyError::Encryption { reason: format!("expected PBES2 with PBKDF2 or scrypt, {found}") }
}

/// Encrypts a PKCS#8 document with a passphrase.
pub(crate) fn encrypt(plain: &[u8], passphrase: &[u8], fresh: FreshBytes) -> Zeroizing<String> {
    let cost =
        scrypt::Params::new(SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P).expect("the constants are within bounds");
    let parameters = Parameters::generate_scrypt_aes256cbc(cost, &fresh.salt, fresh.initialization_vector)
        .expect("a salt of 16 bytes is within bounds");
    PrivateKeyInfoRef::try_from(plain)
        .and_then(|info| info.encrypt_with_params(parameters, passphrase))
        .and_then(|document| Ok(document.to_pem(ENCRYPTED_LABEL, LineEnding::LF)?))
        .expect("a PKCS#8 document of ours has an encrypted form")
}

/// Refuses a file that would keep the machine busy, or its memory full, before a passphrase is even tried.
fn check_cost(kdf: &Kdf) -> Result<(), KeyError> {
    match kdf {
        Kdf::Pbkdf2(cost) => check_pbkdf2(cost),
        Kdf::Scrypt(cost) => check_scrypt(cost),
        _ => Err(unknown("found neither")),
    }
}

fn check_pbkdf2(cost: &Pbkdf2Params) -> Result<(), KeyError> {
    match cost.iteration_count {
        0 => Err(KeyError::Encryption { reason: "PBKDF2 without a single round".to_string() }),
        asked if asked > MAX_PBKDF2_ROUNDS => Err(KeyError::TooCostly {
            asked: format!("{asked} rounds of PBKDF2"),
            bound: MAX_PBKDF2_ROUNDS.to_string(),
        }),
        _ => Ok(()),
    }
}

/// Cost of scrypt (RFC 7914): memory 128 r (N + p) bytes, work 2 N r p salsa blocks of 64 bytes.
fn check_scrypt(cost: &ScryptParams) -> Result<(), KeyError> {
    let [n, r, p] = [cost.cost_parameter, cost.block_size.into(), cost.parallelization.into()];
    // The crate takes a logarithm of N without looking at it first.
    if n < 2 || !n.is_power_of_two() || r == 0 || p == 0 {
        return Err(KeyError::Encryption { reason: format!("scrypt with N = {n}, r = {r}, p = {p}") });
    }
    let memory = r.saturating_mul(128).saturating_mul(n.saturating_add(p));
    if memory > MAX_SCRYPT_BYTES {
        let asked = format!("{memory} bytes of memory");
        return Err(KeyError::TooCostly { asked, bound: MAX_SCRYPT_BYTES.to_string() });
    }
    let work = n.saturating_mul(r).saturating_mul(p);
    if work > MAX_SCRYPT_WORK {
        let asked = format!("{work} block mixes of scrypt (N r p)");
        return Err(KeyError::TooCostly { asked, bound: MAX_SCRYPT_WORK.to_string() });
    }
    Ok(())
}

/// log2 N: OpenSSL reads nothing that takes 32 MiB or more, and N = 16,384 with r = 8 takes 16.
const SCRYPT_LOG_N: u8 = 14;
/// The block size that everybody uses.
const SCRYPT_R: u32 = 8;
/// Five times over, which OWASP asks for at this N: about 0.2 s for us, and for each guess.
const SCRYPT_P: u32 = 5;
/// Seven times what OWASP asks for (600,000): some seconds on a slow machine.
const MAX_PBKDF2_ROUNDS: u32 = 4_000_000;
/// Room for N = 131,072 with r = 8, the most that OWASP lists, and p = 128: 128 MiB and 128 KiB.
const MAX_SCRYPT_BYTES: u64 = (128 * 1024 + 128) * 1024;
/// Four times the work of N = 131,072, r = 8, p = 1, the most that OWASP lists: some seconds.
const MAX_SCRYPT_WORK: u64 = 4 * 131_072 * 8;

#[cfg(test)]
mod tests {
    use pkcs8::pkcs5::pbes2::{Pbkdf2Prf, Salt};

    use super::*;

    fn scrypt_cost(n: u64, r: u16, p: u16) -> Result<(), KeyError> {
        let salt = Salt::new([1; 16]).expect("16 bytes fit");
        check_scrypt(&ScryptParams {
            salt,
            cost_parameter: n,
            block_size: r,
            parallelization: p,
            key_length: None,
        })
    }

    fn pbkdf2_cost(rounds: u32) -> Result<(), KeyError> {
        let salt = Salt::new([1; 16]).expect("16 bytes fit");
        let prf = Pbkdf2Prf::HmacWithSha256;
        check_pbkdf2(&Pbkdf2Params { salt, iteration_count: rounds, key_length: None, prf })
    }

    #[test]
    fn what_honest_tools_ask_for_is_within_bounds() {
        // OpenSSL 3, ours, and the table of the OWASP password storage cheat sheet.
        for (n, r, p) in [
            (1 << 14, 8, 1),
            (1 << 14, 8, 5),
            (1 << 13, 8, 10),
            (1 << 15, 8, 3),
            (1 << 16, 8, 2),
            (1 << 17, 8, 1),
        ] {
            assert_eq!(scrypt_cost(n, r, p), Ok(()), "{n} {r} {p}");
        }
        for rounds in [1, 2_048, 600_000, MAX_PBKDF2_ROUNDS] {
            assert_eq!(pbkdf2_cost(rounds), Ok(()));
        }
    }

    #[test]
    fn a_cost_beyond_any_honest_file_is_refused_before_it_is_paid() {
        for (n, r, p) in [
            (1 << 18, 8, 1),
            (1 << 40, 8, 1),
            (1 << 63, u16::MAX, u16::MAX),
            (1 << 14, 8, 33),
            (2, u16::MAX, 64),
            (1 << 10, 8, u16::MAX),
        ] {
            assert!(matches!(scrypt_cost(n, r, p), Err(KeyError::TooCostly { .. })), "{n} {r} {p}");
        }
        assert!(matches!(pbkdf2_cost(MAX_PBKDF2_ROUNDS + 1), Err(KeyError::TooCostly { .. })));
    }

    #[test]
    fn parameters_that_are_none_are_refused() {
        for (n, r, p) in [(0, 8, 1), (1, 8, 1), (3, 8, 1), (1 << 14, 0, 1), (1 << 14, 8, 0)] {
            assert!(matches!(scrypt_cost(n, r, p), Err(KeyError::Encryption { .. })), "{n} {r} {p}");
        }
        assert!(matches!(pbkdf2_cost(0), Err(KeyError::Encryption { .. })));
    }
}
