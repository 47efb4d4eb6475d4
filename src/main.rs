//! The program `quotapass`: one file per subcommand, dispatched here.

mod address;
mod amount;
mod author;
mod badge;
mod bench;
mod circuit;
mod completions;
mod config;
mod context;
mod demo;
mod deposit;
mod dev;
mod endpoint;
mod envelope;
mod evidence;
mod exit;
mod exit_code;
mod failure;
mod help;
mod identity;
mod interrupt;
mod keys;
mod ledger;
mod lists;
mod members;
mod moderate;
mod named_post;
mod outbox;
mod output;
mod policy;
mod post;
mod progress;
mod prompt;
mod registry;
mod relay;
mod report;
mod send;
mod slash;
mod status;
mod sync;
mod text;
mod time;
mod verify;
mod versioned;
mod watch;
mod withdraw;

use std::{env, process::ExitCode};

use anyhow::Result;
use clap::{FromArgMatches as _, Parser, Subcommand};
use quotapass_circuits::backend;

use config::Config;
use context::Context;
use output::Output;

/// Spam protection for anonymous chat: every message proves that a depositor wrote it within quota
///
/// A proof shows that a depositor wrote the message within quota, and not which depositor.
#[derive(Debug, Parser)]
#[command(name = "quotapass", version, propagate_version = true)]
struct Arguments {
    #[command(flatten)]
    settings: config::Flags,
    /// Print JSON for scripts, one object per line, on standard error too
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the whole system once: deposits, posts, a relay, and a spammer who is slashed
    Demo(demo::Arguments),
    /// Run a chain, a registry, a faucet, a relay and keys for an app under development
    Dev(dev::Arguments),
    /// Create, restore, show and export identities
    #[command(subcommand)]
    Identity(identity::Verb),
    /// Deploy a registry, show one, or claim what it owes an account
    #[command(subcommand)]
    Registry(registry::Verb),
    /// Lock a deposit for an identity, which makes it a member
    Deposit(deposit::Arguments),
    /// Show the membership of an identity and its remaining quotas
    Status(status::Arguments),
    /// Create a new quota ledger on this device
    #[command(subcommand)]
    Ledger(ledger::Verb),
    /// Bring the local copy of the registry up to date
    Sync(sync::Arguments),
    /// Show the hashes of policies, and compare them with pins and with relays
    Policy(policy::Arguments),
    /// Prove that a message is within quota, and write its pass
    Post(post::Arguments),
    /// Prove that a chat key belongs to a member
    Badge(badge::Arguments),
    /// Delete your own post, or appeal against its strike
    #[command(subcommand)]
    Author(author::Verb),
    /// Report a post to the moderators of its scope
    Report(report::Arguments),
    /// Verify posts or a badge, as a relay does
    Verify(verify::Arguments),
    /// Follow roots, members and slashes as they happen
    Watch(watch::Arguments),
    /// End a membership, and start the delay after which its deposit can be withdrawn
    Exit(exit::Arguments),
    /// Withdraw the deposit of a membership that was ended
    Withdraw(withdraw::Arguments),
    /// Slash the deposit of a member who exceeded a quota
    Slash(slash::Arguments),
    Relay(relay::Arguments),
    /// Moderate a scope, or verify the log of its moderators
    ///
    /// docs/moderation.md leads through it. There is no verb to subscribe to the log of another operator: a relay follows the
    /// logs that its settings name under [[moderation.follow]], and a scope enforces those that its policy lists.
    #[command(subcommand)]
    Moderate(Box<moderate::Verb>),
    /// Measure the capacity of a relay, or the cost of posting on this device
    #[command(subcommand)]
    Bench(bench::Verb),
    /// Show the settings, write a configuration file, or copy a relay's policies to it
    #[command(subcommand)]
    Config(config::verbs::Verb),
    /// Create keys in a ceremony, and check, install, show and export them
    #[command(subcommand)]
    Keys(keys::Verb),
    /// Show the circuits, or export them for other tools
    #[command(subcommand)]
    Circuit(circuit::Verb),
    /// Print a completion script for a shell
    Completions(completions::Completions),
    /// Print the manual page
    Man(completions::Man),
}

/// Runs a subcommand. Exit code 0 is success; `quotapass --help` lists the others. An error goes to standard error.
fn main() -> ExitCode {
    output::choose(env::args_os().skip(1));
    let arguments = match help::command().try_get_matches().and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => return failure::report_arguments(&error),
    };
    match dispatch(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

fn dispatch(Arguments { settings, json, verb }: Arguments) -> Result<()> {
    // An invalid environment variable would otherwise select the best backend silently.
    backend::selected()?;
    let is_new = matches!(verb, Verb::Config(config::verbs::Verb::Init(_)));
    let context = || Ok::<_, anyhow::Error>(Context::new(Config::load(&settings, is_new)?, Output::new(json)));
    match verb {
        Verb::Demo(arguments) => demo::run(&arguments, &context()?),
        Verb::Dev(arguments) => dev::run(&arguments, &settings, &context()?),
        Verb::Identity(verb) => identity::run(&verb, &context()?),
        Verb::Registry(verb) => registry::run(&verb, &context()?),
        Verb::Deposit(arguments) => deposit::run(&arguments, &context()?),
        Verb::Status(arguments) => status::run(&arguments, &context()?),
        Verb::Ledger(verb) => ledger::run(&verb, &context()?),
        Verb::Sync(arguments) => sync::run(&arguments, &context()?),
        Verb::Policy(arguments) => policy::run(&arguments, &context()?),
        Verb::Post(arguments) => post::run(&arguments, &context()?),
        Verb::Badge(arguments) => badge::run(&arguments, &context()?),
        Verb::Author(verb) => author::run(&verb, &context()?),
        Verb::Report(arguments) => report::run(&arguments, &context()?),
        Verb::Verify(arguments) => verify::run(&arguments, &context()?),
        Verb::Watch(arguments) => watch::run(&arguments, &context()?),
        Verb::Exit(arguments) => exit::run(&arguments, &context()?),
        Verb::Withdraw(arguments) => withdraw::run(&arguments, &context()?),
        Verb::Slash(arguments) => slash::run(&arguments, &context()?),
        Verb::Relay(arguments) => relay::run(&arguments, &settings, Output::new(json)),
        Verb::Moderate(verb) => moderate::run(&verb, &context()?),
        Verb::Bench(verb) => bench::run(&verb, &context()?),
        Verb::Config(verb) => config::verbs::run(&verb, &context()?),
        Verb::Keys(verb) => keys::run(&verb, &context()?),
        Verb::Circuit(verb) => circuit::run(&verb, &context()?),
        Verb::Completions(arguments) => completions::completions(&arguments, Output::new(json)),
        Verb::Man(arguments) => completions::man(&arguments, Output::new(json)),
    }
}
