//! `quotapass registry`: the registry contract.

mod claim;
mod deploy;
mod info;
mod unfinished;

use anyhow::Result;
use clap::Subcommand;

use super::context::Context;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Deploy a registry and the verifier of its slash proofs
    Deploy(Box<deploy::Arguments>),
    /// Show a registry's terms and balance, and whether its code and its slash key are trusted
    Info,
    /// Claim what a registry owes an account
    ///
    /// It owes slash payments that the token refused, and the treasury's fees.
    Claim(claim::Arguments),
}

pub(super) fn run(verb: &Verb, context: &Context) -> Result<()> {
    match verb {
        Verb::Deploy(arguments) => deploy::run(arguments, context),
        Verb::Info => info::run(context),
        Verb::Claim(arguments) => claim::run(arguments, context),
    }
}
