//! The end of a command that found an attack, or a mishap that looks like one: exit code 4, one line for people, one
//! document for programs. Which words there are is left to `firmware_image::Attack`.

use std::fmt;

use firmware_image::{
    Attack, DocumentError, GateRefusal, ImageRefusal, OrderError, OrderRefusal, RootError, VerifyError,
};
use serde::Serialize;

use super::moments::shown;
use crate::exit::{ExitCode, Failure};
use crate::output::{Format, Output};

/// Something that is not believed, by name.
#[derive(Debug, Serialize)]
pub(in crate::commands) struct Refusal {
    file: String,
    verdict: &'static str,
    attack: &'static str,
    reason: String,
    #[serde(skip)]
    hint: Option<String>,
}

impl Refusal {
    pub(super) fn new(file: impl fmt::Display, attack: Attack, reason: impl fmt::Display) -> Refusal {
        let (file, reason) = (file.to_string(), reason.to_string());
        Refusal { file, verdict: "refused", attack: attack.word(), reason, hint: None }
    }

    /// Adds what the user can do about it.
    pub(super) fn hint(self, hint: impl Into<String>) -> Refusal {
        Refusal { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: refused as {}: {}", self.file, self.attack, self.reason)
    }
}

/// An error that knows which attack it would have been.
pub(super) trait NamesAttack {
    fn attack(&self) -> Attack;
    /// Returns what is wrong, moments written as people read them.
    fn reason(&self) -> String;
}

macro_rules! names_attack {
    ($($error:ty),*) => { $(
        impl NamesAttack for $error {
            fn attack(&self) -> Attack {
                <$error>::attack(self)
            }

            fn reason(&self) -> String {
                self.to_string()
            }
        }
    )* };
}

names_attack!(DocumentError, ImageRefusal, OrderError, OrderRefusal, VerifyError);

impl NamesAttack for RootError {
    fn attack(&self) -> Attack {
        RootError::attack(self)
    }

    fn reason(&self) -> String {
        match self {
            RootError::Expired { expires, now } => {
                format!("the trust root expired at {}, it is {}", shown(*expires), shown(*now))
            }
            error => error.to_string(),
        }
    }
}

impl NamesAttack for GateRefusal {
    fn attack(&self) -> Attack {
        GateRefusal::attack(self)
    }

    fn reason(&self) -> String {
        match self {
            GateRefusal::Root(error) => error.reason(),
            GateRefusal::StatusExpired { expires, now } => {
                format!("the status expired at {}, it is {}", shown(*expires), shown(*now))
            }
            GateRefusal::ReleaseExpired { expires, now } => {
                format!("the release expired at {}, it is {}", shown(*expires), shown(*now))
            }
            refusal => refusal.to_string(),
        }
    }
}

/// Refuses a file for what an error says of it.
pub(super) trait OrRefuse<T> {
    fn or_refuse(self, file: impl fmt::Display) -> Result<T, Stop>;
}

impl<T, E: NamesAttack> OrRefuse<T> for Result<T, E> {
    fn or_refuse(self, file: impl fmt::Display) -> Result<T, Stop> {
        self.map_err(|error| Refusal::new(file, error.attack(), error.reason()).into())
    }
}

/// Why a command stops short.
#[derive(Debug)]
pub(in crate::commands) enum Stop {
    /// It could not be done.
    Failed(Failure),
    /// It must not be done.
    Refused(Refusal),
}

impl Stop {
    /// Writes the document of a refusal, if documents are wanted, and returns how the command ends.
    pub(super) fn end(self, output: &Output) -> Failure {
        if let Stop::Refused(refusal) = &self
            && output.format() == Format::Json
            && let Err(failure) = output.report(refusal)
        {
            return failure;
        }
        self.into_failure()
    }

    /// Returns how the command ends where no document is owed.
    pub(in crate::commands) fn into_failure(self) -> Failure {
        let refusal = match self {
            Stop::Failed(failure) => return failure,
            Stop::Refused(refusal) => refusal,
        };
        let failure = Failure::message(ExitCode::Refused, &refusal);
        match refusal.hint {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Stop {
        Stop::Failed(failure)
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}
