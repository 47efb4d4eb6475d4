//! `quotapass bench`: the capacity of a relay, and the cost of posting on a device.

mod device;
mod relay;

use anyhow::Result;
use clap::Subcommand;

use super::context::Context;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Measure proofs on this device, and print a report that you can send to us
    Device(device::Arguments),
    /// Load a relay with real posts at a planned rate, and check every verdict
    Relay(Box<relay::Arguments>),
}

pub(super) fn run(verb: &Verb, context: &Context) -> Result<()> {
    match verb {
        Verb::Device(arguments) => device::run(arguments, context),
        Verb::Relay(arguments) => relay::run(arguments, context),
    }
}
