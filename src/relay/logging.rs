//! Log lines on standard error, including panics.

use std::{env, io, panic, panic::PanicHookInfo, sync::OnceLock, thread};

use clap::ValueEnum;
use quotapass_registry::{Observer, SyncProgress, rpc::NodeProgress};
use serde::Deserialize;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

/// The format of log lines.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text for people
    Text,
    /// One JSON object per line
    Json,
}

/// The log level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogLevel {
    /// Failures that the operator must fix
    Error,
    /// Also problems that the relay handles itself
    Warn,
    /// Also normal activity
    #[default]
    Info,
    /// Also details
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

/// The format of the log lines, after logging has started.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Whether logging has started, with JSON objects as log lines.
pub(crate) fn writes_json() -> bool {
    matches!(FORMAT.get(), Some(LogFormat::Json))
}

/// The filter of the log lines, after logging has started.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Returns the filter for a log level of this program. Only errors of other crates are logged, because their messages
/// about endpoints and connections may contain keys and addresses.
fn targets(level: LogLevel) -> Targets {
    Targets::new().with_target("quotapass", LevelFilter::from(level)).with_default(LevelFilter::ERROR)
}

/// Starts logging for this program, with one line for each panic.
pub(crate) fn start(format: LogFormat, level: LogLevel) {
    let (filter, handle) = reload::Layer::new(targets(level));
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(false).with_target(false);
    let layer = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // An embedding program that already logs keeps its own subscriber, filter and panic hook.
    if tracing_subscriber::registry().with(layer.with_filter(filter)).try_init().is_ok() {
        // The sets cannot fail, because this is the first subscriber.
        let _ = FILTER.set(handle);
        let _ = FORMAT.set(format);
        log_panics();
    }
}

/// The level from the command line, if given. It takes precedence over the configuration.
static ASKED: OnceLock<LogLevel> = OnceLock::new();

/// Uses the configuration's level from now on, unless the command line sets one.
pub(super) fn follow(asked: Option<LogLevel>, configured: LogLevel) {
    if let Some(level) = asked {
        // There is one command line.
        let _ = ASKED.set(level);
    }
    change_level(configured);
}

/// Changes the level to the configuration's, unless the command line sets one.
pub(super) fn change_level(configured: LogLevel) {
    let level = ASKED.get().copied().unwrap_or(configured);
    if let Some(filter) = FILTER.get() {
        // Fails only if the subscriber no longer exists.
        let _ = filter.reload(targets(level));
    }
}

/// Logs each panic as one line: thread, location and message. With `RUST_BACKTRACE` the backtrace follows in Rust's own
/// format.
///
/// Rust's own message has several lines and no time, so log collectors split it, and a JSON parser cannot read it at
/// all.
fn log_panics() {
    let usual = panic::take_hook();
    let has_backtrace = env::var_os("RUST_BACKTRACE").is_some_and(|value| !value.is_empty() && value != *"0");
    panic::set_hook(Box::new(move |panicked| {
        log_panic(panicked);
        if has_backtrace {
            usual(panicked);
        }
    }));
}

fn log_panic(panicked: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let place = panicked.location().map(ToString::to_string);
    tracing::error!(
        thread = thread.name().unwrap_or("unnamed"),
        place,
        reason = panicked.payload_as_str().unwrap_or("unknown"),
        "a thread panicked; please report it"
    );
}

/// Logs transactions and repeated requests.
pub(super) fn transactions() -> Observer<NodeProgress> {
    Observer::new(|progress| match progress {
        NodeProgress::Sent { transaction, nonce, .. } => tracing::info!(%transaction, nonce, "sent a transaction"),
        NodeProgress::Replaced { former, transaction, .. } => {
            tracing::info!(%former, %transaction, "sent a transaction again, with higher fees");
        }
        NodeProgress::Included { transaction, block, gas_used } => {
            tracing::info!(%transaction, block, gas_used, "a transaction was included in a block");
        }
        NodeProgress::Waiting { transaction, blocks, .. } => {
            tracing::debug!(%transaction, blocks, "waiting for a transaction");
        }
        NodeProgress::Retrying { reason, attempt, .. } => {
            tracing::debug!(reason, attempt, "retrying a request to the endpoint");
        }
        _ => {}
    })
}

/// Logs the progress of a long sync.
pub(super) fn sync() -> Observer<SyncProgress> {
    Observer::new(|at: SyncProgress| {
        tracing::debug!(block = at.block, head = at.head, members = at.members, "reading the registry");
    })
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Output};

    use super::*;

    /// Runs a test of this module in a separate process, because hook and subscriber are global to a process.
    fn alone(test: &str, variables: &[(&str, &str)]) -> String {
        let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([&name, "--exact", "--ignored", "--nocapture"]).env_remove("RUST_BACKTRACE");
        let Output { status, stdout, stderr } = command.envs(variables.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(stdout), text(stderr));
        assert!(status.success() && stdout.contains("1 passed"), "{stdout}{stderr}");
        stderr
    }

    #[test]
    #[ignore = "runs in a separate process"]
    fn panics() {
        start(LogFormat::Json, LogLevel::Error);
        let thread = thread::Builder::new().name("verify-7".into());
        let panicked = thread.spawn(|| panic!("the first line\nthe second")).unwrap().join();
        assert!(panicked.is_err());
    }

    #[test]
    fn a_panic_is_one_line() {
        let lines = alone("panics", &[]);
        assert_eq!(lines.lines().count(), 1, "{lines}");
        let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
        assert_eq!((&line["level"], &line["thread"]), (&"ERROR".into(), &"verify-7".into()));
        assert_eq!(line["reason"], "the first line\nthe second");
        assert!(line["place"].as_str().unwrap().contains("logging.rs:"), "{line}");
        let lines = alone("panics", &[("RUST_BACKTRACE", "1")]);
        assert!(lines.lines().count() > 1 && lines.contains("stack backtrace"), "{lines}");
    }

    #[test]
    #[ignore = "runs in a separate process"]
    fn levels() {
        start(LogFormat::Text, LogLevel::Warn);
        let say = |word: &str| {
            tracing::info!("{word} info");
            tracing::debug!("{word} debug");
        };
        say("first");
        change_level(LogLevel::Debug);
        say("second");
        follow(Some(LogLevel::Info), LogLevel::Debug);
        say("third");
        change_level(LogLevel::Error);
        say("fourth");
    }

    #[test]
    fn the_level_changes_at_run_time() {
        let lines = alone("levels", &[]);
        let heard: Vec<_> = lines.lines().map(|line| line.rsplitn(3, ' ').take(2).collect::<Vec<_>>()).collect();
        let expected = [["info", "second"], ["debug", "second"], ["info", "third"], ["info", "fourth"]];
        assert_eq!(heard, expected, "{lines}");
    }
}
