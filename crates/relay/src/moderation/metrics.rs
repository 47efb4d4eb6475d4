//! Counters of moderation.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};
use quotapass_protocol::moderation::ActionResult;

use super::ModerationError;

/// The kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Report,
    Delete,
    Appeal,
    Decision,
    Answer,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Repeated,
    Refused,
}

impl Request {
    const ALL: [Self; 5] = [Self::Report, Self::Delete, Self::Appeal, Self::Decision, Self::Answer];

    const fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Delete => "delete",
            Self::Appeal => "appeal",
            Self::Decision => "decision",
            Self::Answer => "answer",
        }
    }
}

impl Outcome {
    const ALL: [Self; 3] = [Self::Accepted, Self::Repeated, Self::Refused];

    const fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Repeated => "repeated",
            Self::Refused => "refused",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    request: &'static str,
    result: &'static str,
}

/// Requests by kind and result. They count nothing about scopes, posts or members.
#[derive(Clone, Debug)]
pub struct ModerationMetrics(Family<Labels, Counter>);

impl Default for ModerationMetrics {
    fn default() -> Self {
        let metrics = Self(Family::default());
        // Counters begin at zero, so that Prometheus sees their first increase.
        for request in Request::ALL {
            for outcome in Outcome::ALL {
                drop(metrics.0.get_or_create(&Labels { request: request.name(), result: outcome.name() }));
            }
        }
        metrics
    }
}

impl ModerationMetrics {
    pub(super) fn count(&self, request: Request, outcome: Outcome) {
        self.0.get_or_create(&Labels { request: request.name(), result: outcome.name() }).inc();
    }

    pub(super) fn count_result(&self, request: Request, result: &Result<ActionResult, ModerationError>) {
        let outcome = match result {
            Ok(ActionResult::Accepted) => Outcome::Accepted,
            Ok(ActionResult::Repeated) => Outcome::Repeated,
            Err(_) => Outcome::Refused,
        };
        self.count(request, outcome);
    }

    /// Adds the counters to a registry.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "moderation_requests",
            "Reports, actions of authors and decisions of moderators",
            self.0.clone(),
        );
    }
}
