//! `quotapass bench`: how much the parts that run for others can bear.

mod relay;

use anyhow::Result;
use clap::Subcommand;

use super::context::Context;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Load a relay with real posts, and check every verdict
    Relay(Box<relay::Arguments>),
}

pub(super) fn run(verb: &Verb, context: &Context) -> Result<()> {
    match verb {
        Verb::Relay(arguments) => relay::run(arguments, context),
    }
}
