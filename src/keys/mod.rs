//! `quotapass keys`: keys from a ceremony, which requires no trust in a single person; and the keys that other
//! subcommands use.

pub(super) mod app_file;
mod check;
mod chosen;
mod contribute;
mod export_app;
mod export_verifier;
mod file;
mod install;
mod new_ceremony;
mod published;
mod show;
mod snarkjs;
mod solidity;

use anyhow::Result;
use clap::Subcommand;

use super::context::Context;

pub(super) use app_file::KeyFile;
pub(super) use chosen::{
    development_prover, development_prover_with_tables, in_force, prover, refuse_development_keys, require_test_chain,
    show, slash_key, warn_of,
};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Write the files of a new ceremony to one folder: circuits, hashes, instructions
    NewCeremony(new_ceremony::Arguments),
    /// Contribute to a key with a random secret, which is erased at once
    Contribute(contribute::Contribute),
    /// Complete a ceremony with a public random beacon
    Beacon(contribute::Beacon),
    /// Check a ceremony from its powers of tau to its final key
    Check(check::Arguments),
    /// Install the final key of a ceremony
    Install(install::Arguments),
    /// Show the installed keys, or the id of a key and the contributions to it
    Show(show::Arguments),
    /// Write a key in the format of apps in browsers and on phones
    ExportApp(export_app::Arguments),
    /// Write a Solidity contract that verifies proofs with a key
    ///
    /// It also writes the constructor arguments of the registry's own verifier.
    ExportVerifier(export_verifier::Arguments),
}

pub(super) fn run(verb: &Verb, context: &Context) -> Result<()> {
    match verb {
        Verb::NewCeremony(arguments) => new_ceremony::run(arguments, context),
        Verb::Contribute(arguments) => contribute::contribute(arguments, context),
        Verb::Beacon(arguments) => contribute::beacon(arguments, context),
        Verb::Check(arguments) => check::run(arguments, context),
        Verb::Install(arguments) => install::run(arguments, context),
        Verb::Show(arguments) => show::run(arguments, context),
        Verb::ExportApp(arguments) => export_app::run(arguments, context),
        Verb::ExportVerifier(arguments) => export_verifier::run(arguments, context),
    }
}
