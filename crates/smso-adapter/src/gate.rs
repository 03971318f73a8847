//! What every request passes before a route sees it: whom it is addressed to, and how many there are at once.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::problem::{Problem, ProblemKind};

/// What is bounded, and how.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests under way at once; more are told to come again.
    pub requests: usize,
    /// Images being handed in at once: each may be 10 MB in memory while it is verified.
    pub uploads: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long the engine may take to answer.
    pub desk_timeout: Duration,
    /// Under which names the engine is known.
    pub hosts: Hosts,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            requests: 64,
            uploads: 4,
            body_timeout: Duration::from_secs(30),
            desk_timeout: Duration::from_secs(30),
            hosts: Hosts::ThisMachine,
        }
    }
}

/// Under which names a request may address the engine.
///
/// A web page can make a browser send requests to this machine; with a name of its own that resolves to
/// 127.0.0.1 it may even read the answers (DNS rebinding). Such requests carry that name as their host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hosts {
    /// An IP address or `localhost`.
    ThisMachine,
    /// Any name: the operator has put the engine behind something that guards it.
    Any,
}

/// What the routes share.
pub(crate) struct Office<D> {
    pub(crate) desk: D,
    pub(crate) limits: Limits,
    requests: Semaphore,
    pub(crate) uploads: Arc<Semaphore>,
    /// How many campaigns may be reckoned with at once, each on a core of its own.
    pub(crate) reckonings: Arc<Semaphore>,
}

impl<D> Office<D> {
    pub(crate) fn new(desk: D, limits: Limits) -> Office<D> {
        Office {
            desk,
            limits,
            requests: Semaphore::new(limits.requests),
            uploads: Arc::new(Semaphore::new(limits.uploads)),
            reckonings: Arc::new(Semaphore::new(1)),
        }
    }

    /// Waits for the engine's answer, and not for ever.
    pub(crate) async fn ask<T, E: Into<Problem>>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Problem> {
        match timeout(self.limits.desk_timeout, answer).await {
            Ok(answer) => answer.map_err(E::into),
            Err(_) => {
                let waited = self.limits.desk_timeout.as_secs();
                Err(ProblemKind::EngineUnavailable.because(format!("no answer within {waited} s")))
            }
        }
    }
}

/// Lets a request in, or answers it here.
pub(crate) async fn admit<D: Send + Sync + 'static>(
    State(office): State<Arc<Office<D>>>,
    request: Request,
    next: Next,
) -> Response {
    if office.limits.hosts == Hosts::ThisMachine && !names_this_machine(request.headers()) {
        let detail = "expected a Host of this machine: an IP address or localhost";
        return ProblemKind::UnknownHost.because(detail).into_response();
    }
    match office.requests.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => {
            let detail = format!("{} requests are under way, which is the limit", office.limits.requests);
            ProblemKind::Busy.because(detail).into_response()
        }
    }
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_and_localhost_are_this_machine() {
        let table = [
            ("127.0.0.1:8080", true),
            ("127.0.0.1", true),
            ("[::1]:8080", true),
            ("localhost:8080", true),
            ("LocalHost", true),
            ("rebound.example:8080", false),
            ("localhost.example", false),
            ("", false),
        ];
        for (host, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, host.parse().expect("a header value"));
            assert_eq!(names_this_machine(&headers), expected, "{host}");
        }
        assert!(!names_this_machine(&HeaderMap::new()), "no host at all");
    }
}
