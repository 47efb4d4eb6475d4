//! `GET /metrics`, in the text format of OpenMetrics or in Prometheus's own.

use core::fmt;
use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
        info::Info,
    },
    registry::Registry,
};
use quotapass_protocol::UnixSeconds;

use super::{
    HttpSettings, Service,
    body::BodyMemory,
    connections::{Connections, Door, Peer},
    error::{ApiError, ErrorBody},
    events::Listeners,
    exposition::Exposition,
    process::Process,
    settings::contains,
    source::client,
};
use crate::{Clock, Engine, ListInForce, RelayStatus, TroubleKind, moderation::host::LogCondition};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: u16,
}

/// Counts of answers by status.
#[derive(Clone, Debug, Default)]
pub(super) struct Answers(Family<StatusLabel, Counter>);

impl Answers {
    pub(super) fn count(&self, status: StatusCode) {
        self.0.get_or_create(&StatusLabel { status: status.as_u16() }).inc();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabel {
    rule: &'static str,
}

/// Requests refused by a rule for their network: `blocked` or `limited`.
#[derive(Clone, Debug)]
pub(super) struct Refusals(Family<RuleLabel, Counter>);

impl Refusals {
    pub(super) fn new() -> Self {
        let refusals = Self(Family::default());
        // Counters begin at zero, so that Prometheus sees their first increase.
        for rule in ["blocked", "limited"] {
            drop(refusals.0.get_or_create(&RuleLabel { rule }));
        }
        refusals
    }

    pub(super) fn count(&self, rule: &'static str) {
        self.0.get_or_create(&RuleLabel { rule }).inc();
    }
}

/// Values that other components count, read at each scrape.
pub(super) struct Gauges {
    pub(super) engine: Engine,
    pub(super) status: Arc<RelayStatus>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) connections: Connections,
    pub(super) listeners: Listeners,
    pub(super) body_memory: BodyMemory,
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
        let since = |at: Option<UnixSeconds>| at.map(|at| now.since(at));
        let lag = chain.head.zip(chain.synced).map(|(head, synced)| head.saturating_sub(synced));
        let gauges = [
            ("chain_head_block", "Latest block of the chain", chain.head),
            ("chain_head_age_seconds", "Time since the latest block was made", since(chain.head_time)),
            ("chain_lag_blocks", "Blocks by which the copy of the members is behind", lag),
            (
                "chain_behind_blocks",
                "Blocks by which the endpoint is behind the copy of the members",
                Some(chain.behind),
            ),
            ("chain_silence_seconds", "Time since the chain last answered", since(chain.answered_at)),
            ("chain_failures", "Consecutive requests that the chain did not answer", Some(chain.failures.into())),
            ("members", "Members with a deposit", Some(chain.members)),
            ("log_nullifiers", "Nullifiers of live epochs", log.nullifiers),
            ("log_epochs", "Live epochs over all scopes", log.epochs),
            ("log_convictions", "Members whose evidence is kept", log.convictions),
            ("log_bytes", "Size of the nullifier log in bytes", log.bytes),
            (
                "chain_stale",
                "Whether the latest block is so old that a scope accepts nothing",
                Some(has(TroubleKind::ChainStale)),
            ),
            (
                "chain_reorganised_too_deep",
                "Whether a reorganisation was deeper than the relay may undo",
                Some(has(TroubleKind::ChainReorganised)),
            ),
            ("log_failing", "Whether the nullifier log fails", Some(has(TroubleKind::LogFailing))),
            ("log_closed_ahead_seconds", "Seconds by which epochs are closed too early", Some(log.closed_ahead)),
            ("slashing_open", "Convicted members that are not slashed yet", Some(slashing.open)),
            ("slashing_failures", "Consecutive failed slashes", Some(slashing.failures.into())),
            ("http_connections", "Open connections", Some(self.connections.count() as u64)),
            ("http_listeners", "Listeners to events", Some(self.listeners.count() as u64)),
            ("http_body_bytes", "Memory of request bodies in bytes", Some(self.body_memory.taken() as u64)),
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
            ("reloads", "Configuration reloads", reloads),
            ("refused_reloads", "Refused configuration reloads", refused),
            ("clock_jumps", "Jumps of the system clock", self.status.clock_jumps()),
            ("http_refused_connections", "Connections refused at the limits", self.connections.refused()),
            ("http_evicted_connections", "Connections closed to make room for others", self.connections.evicted()),
            ("http_evicted_bodies", "Request bodies dropped to make room for others", self.body_memory.evicted()),
            ("http_evicted_listeners", "Listeners to events ended to make room for others", self.listeners.evicted()),
        ];
        for (name, help, value) in counters {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
        }
        self.encode_logs(&mut encoder)?;
        self.encode_records(encoder)
    }
}

#[derive(Clone, Copy, Debug, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct LogLabel {
    log: String,
}

#[derive(Clone, Debug, EncodeLabelSet)]
struct RefusalLabel {
    log: String,
    code: &'static str,
}

impl Gauges {
    /// Writes the states of the moderation logs that the relay hosts or follows. They are those of its configuration, so
    /// clients cannot create any.
    fn encode_logs(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let logs = self.status.moderation_logs().all();
        let now = self.clock.now();
        let mut of_logs = |name, help, value: &dyn Fn(&LogCondition) -> Option<u64>| -> fmt::Result {
            let mut gauges = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for (log, condition) in &logs {
                let Some(value) = value(condition) else { continue };
                let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
                gauge.encode(gauges.encode_family(&LogLabel { log: log.to_string() })?)?;
            }
            Ok(())
        };
        let help = "Entries of a moderation log at its last accepted checkpoint";
        of_logs("moderation_log_entries", help, &|condition| Some(condition.size))?;
        let help = "Strikes in force in a moderation log";
        of_logs("moderation_log_strikes", help, &|condition| Some(condition.listed))?;
        let help = "Time since the last round of a moderation log without a refusal";
        of_logs("moderation_log_silence_seconds", help, &|condition| condition.answered_at.map(|at| now.since(at)))?;
        let help = "Whether a moderation log is refused, and why";
        let mut refused = encoder.encode_descriptor("moderation_log_refused", help, None, MetricType::Gauge)?;
        for (log, condition) in &logs {
            let Some(refusal) = &condition.refusal else { continue };
            let label = RefusalLabel { log: log.to_string(), code: refusal.name };
            ConstGauge::new(1i64).encode(refused.encode_family(&label)?)?;
        }
        let help = "Rounds of a moderation log that ended with a refusal";
        let mut refusals = encoder.encode_descriptor("moderation_log_refusals", help, None, MetricType::Counter)?;
        for (log, condition) in &logs {
            let counter = ConstCounter::new(condition.refusals);
            counter.encode(refusals.encode_family(&LogLabel { log: log.to_string() })?)?;
        }
        Ok(())
    }

    /// Writes the numbers of verified records, and the age of the version in force of each log. The logs are those of
    /// policies, so clients cannot create any.
    fn encode_records(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let (valid, invalid) = self.engine.relay().record_counts();
        let help = "Records of posts that were verified";
        let mut records = encoder.encode_descriptor("records", help, None, MetricType::Counter)?;
        for (result, count) in [("valid", valid), ("invalid", invalid)] {
            ConstCounter::new(count).encode(records.encode_family(&ResultLabel { result })?)?;
        }
        let (now, lists) = (self.clock.now(), self.engine.relay().lists().in_force());
        let mut of_lists = |name, help, value: &dyn Fn(&ListInForce) -> u64| -> fmt::Result {
            let mut gauges = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for list in &lists {
                let gauge = ConstGauge::new(i64::try_from(value(list)).unwrap_or(i64::MAX));
                gauge.encode(gauges.encode_family(&LogLabel { log: list.log.to_string() })?)?;
            }
            Ok(())
        };
        let help = "Time since the version in force of a moderation log came into force here";
        of_lists("list_age_seconds", help, &|list| now.since(list.since))?;
        let help = "Entries of a moderation log in the version in force";
        of_lists("list_log_entries", help, &|list| list.version.size)
    }
}

/// The commit that the program was built from, if the build sets it.
const REVISION: Option<&str> = option_env!("QUOTAPASS_REVISION");

/// Creates the registry of all metrics of a relay.
pub(super) fn registry(engine: &Engine, answers: &Answers, refusals: &Refusals, gauges: Gauges) -> Registry {
    let mut all = Registry::default();
    all.register_collector(Box::new(Process));
    let own = all.sub_registry_with_prefix("quotapass");
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    let build: Vec<_> = version.into_iter().chain(REVISION.map(|revision| ("revision", revision))).collect();
    own.register("build", "The program", Info::new(build));
    engine.metrics().register(own);
    engine.relay().moderation().metrics().register(own);
    own.register("http_answers", "Answers by status", answers.0.clone());
    own.register("http_refused_requests", "Requests refused by a rule for their network", refusals.0.clone());
    own.register_collector(Box::new(gauges));
    all
}

/// Counters, histograms and gauges for Prometheus
///
/// The format is OpenMetrics or Prometheus's text format, as `Accept` asks.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "operation",
    responses(
        (status = 200, content((String = "text/plain"), (String = "application/openmetrics-text"))),
        (status = 403, body = ErrorBody, description = "this client may not read the metrics"),
    )
)]
pub(super) async fn metrics(State(service): State<Arc<Service>>, request: Request) -> Result<Response, ApiError> {
    may_read(&request, &service.settings())?;
    let exposition = Exposition::of(request.headers());
    let text = exposition.encode(&service.registry);
    let text = text.map_err(|_| ApiError::unavailable("the metrics cannot be written", "try again"))?;
    Ok(([(header::CONTENT_TYPE, exposition.content_type())], text).into_response())
}

/// # Errors
/// 403 if the client may not read the metrics. A proxy that does not name its client is refused even if its own address
/// may read them: its client may be anyone.
fn may_read(request: &Request, settings: &HttpSettings) -> Result<(), ApiError> {
    let forbidden = |error, hint| Err(ApiError::new(StatusCode::FORBIDDEN, error, hint));
    let peer = Peer::of(request.extensions())?;
    if peer.door == Door::AdminSocket {
        return Ok(());
    }
    if peer.door == Door::Public && settings.admin_alone {
        return forbidden(
            "the metrics are only on the operator's listener",
            "ask there; its address is in [admin] of the configuration",
        );
    }
    let client = client(&peer, request.headers(), settings);
    if client.is_proxy {
        return forbidden(
            "the request comes from a proxy that does not name its client",
            "ask the relay directly, on the listener that [admin] of the configuration names",
        );
    }
    if !contains(&settings.metrics_from, client.address) {
        return forbidden(
            "this address may not read the metrics",
            "the operator can add it to `metrics_from` in [listen]",
        );
    }
    Ok(())
}
