//! `quotapass registry`: the contract itself.

mod deploy;
mod info;

use anyhow::Result;
use clap::Subcommand;

use super::context::Context;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Deploy a registry and the verifier of its slash proofs
    Deploy(Box<deploy::Arguments>),
    /// Show a registry's terms, and how much it holds
    Info,
}

pub(super) fn run(verb: &Verb, context: &Context) -> Result<()> {
    match verb {
        Verb::Deploy(arguments) => deploy::run(arguments, context),
        Verb::Info => info::run(context),
    }
}
