//! `quotapass identity`: seeds and their encrypted files.

mod export;
mod list;
mod new;
mod restore;
mod show;

use core::num::NonZeroU16;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use quotapass_wallet::ledger::DeviceShare;

use super::context::Context as Surroundings;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Create an identity from 24 new words, or from a wallet's signature
    New(new::Arguments),
    /// Restore an identity from its 24 words
    Restore(restore::Arguments),
    /// Show the origin of an identity and its commitment at the registry
    Show(show::Arguments),
    /// List the identities of this device
    List,
    /// Show the 24 words of an identity, or copy its encrypted file
    Export(export::Arguments),
}

pub(super) fn run(verb: &Verb, surroundings: &Surroundings) -> Result<()> {
    match verb {
        Verb::New(arguments) => new::run(arguments, surroundings),
        Verb::Restore(arguments) => restore::run(arguments, surroundings),
        Verb::Show(arguments) => show::run(arguments, surroundings),
        Verb::List => list::run(surroundings),
        Verb::Export(arguments) => export::run(arguments, surroundings),
    }
}

/// The identity that a subcommand is about.
#[derive(Debug, Args)]
struct Name {
    /// Name of the identity [default: the setting `identity`]
    name: Option<String>,
}

impl Name {
    fn get(&self, surroundings: &Surroundings) -> Result<String> {
        match &self.name {
            Some(name) => Ok(name.clone()),
            None => surroundings.identity_name(),
        }
    }
}

/// The device's share of the message ids.
#[derive(Debug, Args)]
struct Device {
    /// Number of this device and count of devices, for example 1/2 and 2/2
    ///
    /// Each device has a permanent share of the quota. Without this flag, two devices with the same identity will sooner
    /// or later use the same message id, which costs the deposit.
    #[arg(long, value_name = "NUMBER/COUNT", default_value = "1/1", value_parser = device)]
    device: DeviceShare,
}

fn device(text: &str) -> Result<DeviceShare> {
    let (number, count) = text.split_once('/').context("write it as 1/2")?;
    let (number, count): (NonZeroU16, NonZeroU16) = (number.parse()?, count.parse()?);
    if number > count {
        bail!("the device number {number} is above the count {count}");
    }
    Ok(DeviceShare::new(number.get() - 1, count)?)
}

/// Formats a device's share, with the number counted from one.
fn describe(device: DeviceShare) -> String {
    format!("{}/{}", device.device() + 1, device.devices())
}
