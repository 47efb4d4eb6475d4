//! `quotapass relay`.

mod development;
mod evidence;
mod init;
mod log;
mod logging;
mod manager;
mod moderation;
mod program;
mod reload;
mod settings;
mod signals;
mod surroundings;
mod template;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use quotapass_registry::Follower;
use quotapass_relay::SystemClock;
use serde_json::json;

use super::{
    config::Flags,
    failure::usage,
    output::{Output, note},
};
use development::{Development, prepare};
use program::Findings;
use settings::Settings;
use surroundings::{ChainAccess, Funds};

pub(super) use development::{CHAIN_ID, DEPOSITOR, Stage, configure, terms};
pub(super) use logging::{LogFormat, LogLevel, start as start_logging, writes_json as logs_json};
pub(super) use program::{MakeRoutes, Program};
pub(super) use surroundings::Folders;
pub(super) use template::{LIST_SECONDS, TemplateLog, TemplateScope};

/// The configuration file that `init` writes without `--config`.
const USUAL_FILE: &str = "relay.toml";
/// What is said of a relay on its own chain.
const FOR_DEVELOPMENT: &str = "\nFor development only: its keys and the secrets of its members are public.";

/// Run a relay
///
/// With `--config relay.toml` the relay uses the registry and the log that the file names. Without it, a relay for
/// development starts: it creates everything that it needs, including an embedded chain with a registry and members, in
/// the folder `relay` of the data folder.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Address and port to listen on, instead of the configuration's
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Minimum number of members of a relay for development
    #[arg(long, value_name = "NUMBER", default_value_t = 8, hide_short_help = true)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    members: u32,
    /// Create a new nullifier log if the known one is missing, or accept another one in its place
    ///
    /// Posts that the missing log recorded can be accepted again, so wait until their epochs are over. If relays share
    /// a log, the first one creates it, and the others accept it.
    #[arg(long, hide_short_help = true)]
    new_log: bool,
    /// Format of log lines on standard error
    #[arg(long, value_enum, default_value_t = LogFormat::Text, hide_short_help = true)]
    log_format: LogFormat,
    /// Log level, instead of the configuration's `level` in [logging]
    #[arg(long, value_enum, hide_short_help = true)]
    log_level: Option<LogLevel>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Write a configuration with a comment for every setting
    ///
    /// The file is relay.toml or that of --config. --rpc-url, --chain-id and --registry are filled in. With an endpoint
    /// and a registry, the times of the scope fit the registry's exit delay.
    Init(init::Arguments),
    /// Check a configuration, the chain, the log and the wallet, without writing
    ///
    /// The wallet is the one that slashes; its balance must pay for a slash.
    Check {
        /// Do not connect to the chain
        #[arg(long)]
        offline: bool,
    },
    /// List, export and import the evidence in the log
    #[command(subcommand)]
    Evidence(evidence::Verb),
    /// Repair a nullifier log
    #[command(subcommand)]
    Log(log::Verb),
    /// Move the copy of the registry away, so that the next start reads all events again
    ///
    /// For a copy that is damaged, or after a reorganisation that is too deep to undo. Stop the relay first. The
    /// nullifier log stays as it is.
    Resync,
}

pub(super) fn run(arguments: &Arguments, flags: &Flags, output: Output) -> Result<()> {
    if let Some(Verb::Init(arguments)) = &arguments.verb {
        return init::run(arguments, flags, output);
    }
    if arguments.verb.is_some() && (arguments.listen.is_some() || arguments.new_log) {
        bail!(usage("--listen and --new-log apply only when a relay starts; leave them out"));
    }
    if let Some(flag) = flags.first_but_files() {
        bail!(usage(format!("a relay does not support {flag}; write this setting to its configuration")));
    }
    let given = flags.file();
    match &arguments.verb {
        None => serve(arguments, flags, output),
        Some(Verb::Init(arguments)) => init::run(arguments, flags, output),
        Some(Verb::Check { offline }) => check(&Settings::read(required(given)?)?, flags, *offline, output),
        Some(Verb::Evidence(verb)) => {
            let settings = Settings::read(&usual(given, flags)?)?;
            evidence::run(verb, &settings, &Folders::new(flags.data_folder(), &settings.fixed)?, output)
        }
        Some(Verb::Log(verb)) => {
            let settings = Settings::read(&usual(given, flags)?)?;
            log::run(verb, &settings, &Folders::new(flags.data_folder(), &settings.fixed)?, output)
        }
        Some(Verb::Resync) => {
            let settings = Settings::read(&usual(given, flags)?)?;
            resync(&settings, &Folders::new(flags.data_folder(), &settings.fixed)?, output)
        }
    }
}

fn required(given: Option<&Path>) -> Result<&Path> {
    given.with_context(|| usage("name the configuration with --config"))
}

/// Returns the folder of the relay for development.
fn development_folder(flags: &Flags) -> Result<PathBuf> {
    Ok(data_folder(flags)?.join("relay"))
}

fn data_folder(flags: &Flags) -> Result<PathBuf> {
    match flags.data_folder() {
        Some(folder) => Ok(folder.to_path_buf()),
        None => Ok(quotapass_wallet::keys::data_folder()?),
    }
}

/// Returns the given configuration, or the one of the relay for development.
fn usual(given: Option<&Path>, flags: &Flags) -> Result<PathBuf> {
    match given {
        Some(path) => Ok(path.to_path_buf()),
        None => Ok(development_folder(flags)?.join(USUAL_FILE)),
    }
}

fn serve(arguments: &Arguments, flags: &Flags, output: Output) -> Result<()> {
    start_logging(arguments.log_format, arguments.log_level.unwrap_or_default());
    let is_development = flags.file().is_none();
    let (configuration, posts) = match flags.file() {
        Some(path) => (path.to_path_buf(), Vec::new()),
        None => {
            let keys = quotapass_wallet::keys::KeyStore::in_folder(&data_folder(flags)?.join("keys"));
            let Development { configuration, posts } = prepare(&development_folder(flags)?, &keys, arguments.members)?;
            (configuration, posts)
        }
    };
    let settings = Settings::read(&configuration)?;
    logging::follow(arguments.log_level, settings.live.log_level);
    let folders = Folders::new(flags.data_folder(), &settings.fixed)?;
    let program = Program::open(configuration, settings, &folders, arguments.new_log)?;
    let key = program.policy_key();
    program.run(arguments.listen, |address, registry| {
        let url = format!("http://{address}");
        let posts: Vec<_> = posts.iter().map(|(path, answer)| (path.display().to_string(), *answer)).collect();
        let tries: String = posts
            .iter()
            .map(|(path, answer)| format!("\n  curl --json @{path} {url}/v1/verify\n    {answer}"))
            .collect();
        let hint = match (is_development, posts.is_empty()) {
            (false, _) => String::new(),
            (true, false) => format!("{FOR_DEVELOPMENT} Try it:{tries}"),
            (true, true) => format!("{FOR_DEVELOPMENT} No scope takes posts without records, so there is none to try."),
        };
        output.result(
            &format!("The relay of registry {registry} answers at {url}/ until Ctrl-C, and signs its policies with {key}.{hint}"),
            json!({
                "event": "listening",
                "url": url,
                "address": address,
                "registry": registry,
                "policy_key": key.to_string(),
                "posts": posts.iter().map(|(path, _)| path).collect::<Vec<_>>(),
            }),
        )
    })
}

fn resync(settings: &Settings, folders: &Folders, output: Output) -> Result<()> {
    let chain = ChainAccess::open(&settings.fixed.chain, &settings.fixed.slashing, Arc::new(SystemClock))?;
    let path = folders.copy(&chain.id)?;
    let aside = Follower::set_aside(&path)?;
    let done = match &aside {
        Some(aside) => format!("The copy of the registry is now {}.", aside.display()),
        None => "There is no copy of the registry.".into(),
    };
    output.result(&format!("{done} The next start reads all events."), json!({ "file": path, "moved_to": aside }))
}

fn check(settings: &Settings, flags: &Flags, offline: bool, output: Output) -> Result<()> {
    let folders = Folders::new(flags.data_folder(), &settings.fixed)?;
    let Findings { text, has_log, policy_key, funds } = Program::check(settings, &folders, offline)?;
    let scopes = settings.live.scope_count();
    let log = match has_log {
        Some(false) => " Its nullifier log is created at its first start.",
        _ => "",
    };
    let signs = match &policy_key {
        Some(key) => format!(" Its policies are signed with {key}."),
        None => " The key that signs its policies is created at its first start.".into(),
    };
    if let Some(Funds { account, slashes: Some(0), .. }) = &funds {
        note(format!("Warning: {account} cannot pay for a slash; send it some of the chain's own coin."));
    }
    let wallet = funds.map(
        |funds| json!({ "address": funds.account, "balance": funds.balance.to_string(), "slashes": funds.slashes }),
    );
    output.result(
        &format!("The configuration is valid: {scopes} scopes{text}.{log}{signs}"),
        json!({
            "valid": true,
            "scopes": scopes,
            "chain": (!offline).then_some(true),
            "log": has_log,
            "policy_key": policy_key.map(|key| key.to_string()),
            "wallet": wallet,
        }),
    )
}
