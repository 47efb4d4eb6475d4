//! `GET /metrics`, in the text format of OpenMetrics, which Prometheus reads.

use core::fmt;
use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text},
    metrics::{counter::ConstCounter, counter::Counter, family::Family, gauge::ConstGauge},
    registry::Registry,
};

use super::{
    Service,
    error::{ApiError, ErrorBody},
    events::Listeners,
    server::{Connections, Peer},
    settings::contains,
    source::client,
};
use crate::relay::{Clock, RelayStatus, TroubleKind, engine::EngineMetrics};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

/// Answers by their status.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Family<StatusLabel, Counter>);

impl Answers {
    pub(super) fn count(&self, status: StatusCode) {
        self.0.get_or_create(&StatusLabel { status: status.as_u16() }).inc();
    }
}

/// What others count, read when it is asked for.
pub(super) struct Gauges {
    pub(super) status: Arc<RelayStatus>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) connections: Connections,
    pub(super) listeners: Listeners,
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges").finish_non_exhaustive()
    }
}

impl Collector for Gauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (chain, log, slashing) = (self.status.chain(), self.status.log(), self.status.slashing());
        let now = self.clock.now();
        let has = |kind| u64::from(self.status.troubles().get(kind).is_some());
        let since = |at: Option<u64>| at.map(|at| now.saturating_sub(at));
        let lag = chain.head.zip(chain.synced).map(|(head, synced)| head.saturating_sub(synced));
        let gauges = [
            ("chain_head_block", "Latest block of the chain", chain.head),
            ("chain_head_age_seconds", "Time since the latest block was made", since(chain.head_time)),
            ("chain_lag_blocks", "Blocks that the copy of the members is behind", lag),
            ("chain_silence_seconds", "Time since the chain last answered", since(chain.answered_at)),
            ("chain_failures", "Times in a row that the chain did not answer", Some(chain.failures.into())),
            ("members", "Members with a deposit", Some(chain.members)),
            ("log_nullifiers", "Nullifiers of live epochs", log.nullifiers),
            ("log_epochs", "Live epochs over all scopes", log.epochs),
            ("log_convictions", "Members whose evidence is kept", log.convictions),
            ("log_bytes", "Bytes that the nullifier log takes", log.bytes),
            (
                "chain_stale",
                "Whether the latest block is so old that a scope accepts nothing",
                Some(has(TroubleKind::ChainStale)),
            ),
            ("log_failing", "Whether the nullifier log fails", Some(has(TroubleKind::LogFailing))),
            ("log_closed_ahead_seconds", "Seconds by which epochs are closed too early", Some(log.closed_ahead)),
            ("slashing_open", "Convicted members that are not slashed yet", Some(slashing.open)),
            ("slashing_failures", "Times in a row that a slash failed", Some(slashing.failures.into())),
            ("http_connections", "Open connections", Some(self.connections.count() as u64)),
            ("http_listeners", "Listeners to events", Some(self.listeners.count() as u64)),
        ];
        for (name, help, value) in gauges {
            if let Some(value) = value {
                let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
            }
        }
        let (reloads, refused) = self.status.reloads();
        let counters = [
            ("slashing_settled", "Cases that this relay closed", slashing.settled),
            ("reloads", "Times that the configuration was read again", reloads),
            ("refused_reloads", "Times that a configuration was refused", refused),
            ("clock_jumps", "Jumps of the system's clock", self.status.clock_jumps()),
            ("http_refused_connections", "Connections beyond the limits", self.connections.refused()),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        Ok(())
    }
}

/// All metrics of a relay.
pub(super) fn registry(engine: &EngineMetrics, answers: &Answers, gauges: Gauges) -> Registry {
    let mut registry = Registry::with_prefix("quotapass");
    engine.register(&mut registry);
    registry.register("http_answers", "Answers by status", answers.0.clone());
    registry.register_collector(Box::new(gauges));
    registry
}

/// Counters, histograms and gauges for Prometheus
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses(
        (status = 200, body = String, content_type = "application/openmetrics-text"),
        (status = 403, body = ErrorBody, description = "the metrics are not for this address"),
    )
)]
pub(super) async fn metrics(State(service): State<Arc<Service>>, request: Request) -> Result<Response, ApiError> {
    let settings = service.settings();
    let client = client(Peer::of(request.extensions()), request.headers(), &settings.trusted_proxies);
    if !contains(&settings.metrics_from, client) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "the metrics are not for this address",
            "the operator may add it to those that read the metrics",
        ));
    }
    let mut text = String::new();
    text::encode(&mut text, &service.registry)
        .map_err(|_| ApiError::unavailable("the metrics cannot be written", "try again"))?;
    let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}
