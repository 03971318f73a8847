//! Talking to the engine's API: what it answers, or a failure with the right exit code.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use smso_adapter::{Problem, ProblemKind};
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::exit::{ExitCode, Failure, OrFail};

/// A connection to one engine.
pub(super) struct Client {
    agent: Agent,
    base: String,
}

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a whole answer may take: longer than the engine lets any request take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer: 50,000 rejected devices are 1.5 MB.
const ANSWER_MAX: u64 = 16 << 20;

impl Client {
    pub(super) fn new(url: &str) -> Result<Client, Failure> {
        if !url.starts_with("http://") {
            let message = format!("--url: expected an address such as http://127.0.0.1:8080, found {url}");
            return Err(Failure::message(ExitCode::BadInput, message));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // The engine is on this machine, or behind what the operator named: no proxy of the environment's.
            .proxy(None)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(ANSWER_TIMEOUT))
            .build();
        Ok(Client { agent: config.new_agent(), base: url.trim_end_matches('/').to_owned() })
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let sent = self.agent.get(self.address(path)).call();
        self.read(sent)
    }

    pub(super) fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let sent = self.agent.post(self.address(path)).send_json(body);
        self.read(sent)
    }

    pub(super) fn post_file<T: DeserializeOwned>(&self, path: &str, bytes: &[u8]) -> Result<T, Failure> {
        let request = self.agent.post(self.address(path)).content_type("application/octet-stream");
        self.read(request.send(bytes))
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn read<T: DeserializeOwned>(&self, sent: Result<Response<Body>, ureq::Error>) -> Result<T, Failure> {
        let mut response = sent.map_err(|error| self.unreachable(error))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(ANSWER_MAX).read_to_vec();
        let body = body.map_err(|error| self.unreachable(error))?;
        if status.is_success() {
            let context = format_args!("{}: expected an answer of lamplighter's API", self.base).to_string();
            return serde_json::from_slice(&body).or_fail(ExitCode::Failed, context);
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(refused(&problem)),
            Err(_) => {
                let message = format!("{}: answered {status}, expected lamplighter's API there", self.base);
                Err(Failure::message(ExitCode::Failed, message))
            }
        }
    }

    fn unreachable(&self, error: ureq::Error) -> Failure {
        let code = match error {
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => ExitCode::BadInput,
            _ => ExitCode::Unreachable,
        };
        let context = format!("{}: the engine is not reachable", self.base);
        let failure = Failure::new(code, anyhow::Error::new(error).context(context));
        failure.hint("start it with `lamplighter serve --config FILE`, or name its address with --url")
    }
}

/// Returns the failure that a problem of the engine's means for a command.
fn refused(problem: &Problem) -> Failure {
    let code = match ProblemKind::of(problem) {
        Some(ProblemKind::ImageRefused | ProblemKind::ApprovalRefused) => ExitCode::Refused,
        Some(ProblemKind::Busy | ProblemKind::EngineUnavailable) => ExitCode::Unreachable,
        Some(ProblemKind::NotStored | ProblemKind::BodyTimeout) | None => ExitCode::Failed,
        Some(_) => ExitCode::BadInput,
    };
    Failure::message(code, format_args!("{}: {}", problem.title, problem.detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_end_with_the_exit_code_scripts_rely_on() {
        let table = [
            (ProblemKind::ImageRefused, ExitCode::Refused),
            (ProblemKind::ApprovalRefused, ExitCode::Refused),
            (ProblemKind::MalformedImage, ExitCode::BadInput),
            (ProblemKind::CampaignExists, ExitCode::BadInput),
            (ProblemKind::UnknownCampaign, ExitCode::BadInput),
            (ProblemKind::EngineUnavailable, ExitCode::Unreachable),
            (ProblemKind::NotStored, ExitCode::Failed),
        ];
        for (kind, code) in table {
            assert_eq!(refused(&kind.because("so")).report(), code, "{kind:?}");
        }
    }

    #[test]
    fn an_address_without_a_listener_is_unreachable() {
        // Port 9 is the discard service, which nobody runs.
        let client = Client::new("http://127.0.0.1:9").expect("an address");
        let failure = client.get::<serde_json::Value>("/healthz").expect_err("nobody listens");
        assert_eq!(failure.report(), ExitCode::Unreachable);
        assert!(Client::new("ftp://127.0.0.1").is_err());
    }
}
