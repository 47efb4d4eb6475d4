//! Log lines on standard error.

use std::io;

use clap::ValueEnum;
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::registry::{Observer, SyncProgress, rpc::NodeProgress};

/// How a line looks.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum LogFormat {
    /// For people
    Text,
    /// An object a line
    Json,
}

/// How much is said.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(in crate::cli) enum LogLevel {
    /// What the operator must see to
    Error,
    /// And what the relay copes with
    Warn,
    /// And what it does
    Info,
    /// And how
    Debug,
}

impl From<LogLevel> for LevelFilter {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
        }
    }
}

/// Begins to write the lines of this program. Other crates are heard with errors alone: what they say of an endpoint or
/// a connection may hold keys and addresses.
pub(in crate::cli) fn start(format: LogFormat, level: LogLevel) {
    let targets = Targets::new().with_target("quotapass", LevelFilter::from(level)).with_default(LevelFilter::ERROR);
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(false).with_target(false);
    let layer = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // Whoever has embedded this program and writes lines already goes on to do so.
    let _ = tracing_subscriber::registry().with(layer.with_filter(targets)).try_init();
}

/// Tells of transactions and of requests that are repeated.
pub(super) fn transactions() -> Observer<NodeProgress> {
    Observer::new(|progress| match progress {
        NodeProgress::Sent { transaction, nonce, .. } => tracing::info!(%transaction, nonce, "sent a transaction"),
        NodeProgress::Replaced { former, transaction, .. } => {
            tracing::info!(%former, %transaction, "sent a transaction again, with higher fees");
        }
        NodeProgress::Included { transaction, block, gas_used } => {
            tracing::info!(%transaction, block, gas_used, "a transaction is included");
        }
        NodeProgress::Waiting { transaction, blocks, .. } => {
            tracing::debug!(%transaction, blocks, "a transaction is waited for");
        }
        NodeProgress::Retrying { reason, attempt, .. } => {
            tracing::debug!(reason, attempt, "a request to the endpoint is repeated");
        }
    })
}

/// Tells how a long sync goes on.
pub(super) fn sync() -> Observer<SyncProgress> {
    Observer::new(|at: SyncProgress| {
        tracing::debug!(block = at.block, head = at.head, members = at.members, "reading the registry");
    })
}
