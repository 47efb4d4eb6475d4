//! The program `quotapass`.

use std::process::ExitCode;

use clap::Parser;
use quotapass::cli::Arguments;

fn main() -> ExitCode {
    quotapass::cli::run(Arguments::parse())
}
