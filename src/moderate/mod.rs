//! `quotapass moderate`: the verbs of moderators, and of readers who verify a moderation log.

mod action;
mod answer;
mod block;
mod client;
mod decide;
mod export;
mod follow;
pub(crate) mod key_file;
mod keygen;
mod lift;
mod log;
mod place;
mod policy;
mod post;
mod queue;
mod report;
mod send;
mod sign;
mod signing;
mod statement;
mod strike;

use anyhow::Result;
use clap::Subcommand;

use super::context::Context;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Create a key: of a moderator, of a log's root, of a log's relay, or of a witness
    Keygen(keygen::Arguments),
    /// Write the first policy of a log, or a new one
    Policy(policy::Arguments),
    /// Show reported posts, held posts and appeals
    Queue(queue::Arguments),
    /// List a post: its author can no longer write in the scopes that take the log
    Strike(strike::Arguments),
    /// End a strike, for example after an appeal
    Lift(lift::Arguments),
    /// Refuse an appeal, with a text for its author
    Answer(answer::Arguments),
    /// Show a held post again, and close its reports
    Keep(decide::Arguments),
    /// Hide a post; its author can still write
    Hide(decide::Arguments),
    /// Block a file or a link by its SHA-256
    Block(block::Arguments),
    /// Unblock a file or a link
    Unblock(block::Arguments),
    /// Add a signature to a file that another moderator wrote
    Sign(sign::Arguments),
    /// Deliver a signed file to the relay that writes the log
    Send(send::Arguments),
    /// Follow a log from the outside
    #[command(subcommand)]
    Log(log::Verb),
    /// Write the statements of reasons for the DSA Transparency Database
    Export(export::Arguments),
}

pub(super) fn run(verb: &Verb, context: &Context) -> Result<()> {
    match verb {
        Verb::Keygen(arguments) => keygen::run(arguments, context),
        Verb::Policy(arguments) => policy::run(arguments, context),
        Verb::Queue(arguments) => queue::run(arguments, context),
        Verb::Strike(arguments) => strike::run(arguments, context),
        Verb::Lift(arguments) => lift::run(arguments, context),
        Verb::Answer(arguments) => answer::run(arguments, context),
        Verb::Keep(arguments) => decide::run(arguments, decide::Decision::Keep, context),
        Verb::Hide(arguments) => decide::run(arguments, decide::Decision::Hide, context),
        Verb::Block(arguments) => block::run(arguments, block::Change::Block, context),
        Verb::Unblock(arguments) => block::run(arguments, block::Change::Unblock, context),
        Verb::Sign(arguments) => sign::run(arguments, context),
        Verb::Send(arguments) => send::run(arguments, context),
        Verb::Log(verb) => log::run(verb, context),
        Verb::Export(arguments) => export::run(arguments, context),
    }
}
