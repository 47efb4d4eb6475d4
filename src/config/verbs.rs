//! `quotapass config`.

use anyhow::Result;
use clap::Subcommand;

use super::{add_scope, init, show};
use crate::context::Context;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show all settings in force, the source of each value, and what follows from them
    Show,
    /// Write a configuration file with the given settings, and an example of a scope
    ///
    /// The settings come from flags and from the environment.
    Init(init::Arguments),
    /// Copy the policies of scopes from a relay to the configuration file
    AddScope(add_scope::Arguments),
}

pub(crate) fn run(verb: &Verb, context: &Context) -> Result<()> {
    match verb {
        Verb::Show => show::run(context),
        Verb::Init(arguments) => init::run(arguments, context),
        Verb::AddScope(arguments) => add_scope::run(arguments, context),
    }
}
