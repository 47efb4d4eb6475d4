//! The command line: one file a verb, dispatched here.

mod circuit;
mod demo;
mod keys;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{Parser, Subcommand};

/// Spam protection for anonymous chat: lock a deposit once, and prove with every message that a depositor wrote it
/// within quota, without showing which depositor.
#[derive(Debug, Parser)]
#[command(name = "quotapass", version, propagate_version = true)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the whole system once: deposits, posts, a relay, a spammer caught and slashed
    Demo(demo::Arguments),
    /// Look into the circuits, or export them for other tools
    #[command(subcommand)]
    Circuit(circuit::Verb),
}

/// Runs a verb. Exit code 0 is success and 1 failure, with the reason on standard error; 2 is for arguments that make
/// no sense.
pub fn run(arguments: Arguments) -> ExitCode {
    let outcome = match arguments.verb {
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Circuit(verb) => circuit::run(verb),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads our output has read enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error fails.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
