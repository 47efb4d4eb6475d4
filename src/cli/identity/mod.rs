//! `quotapass identity`: seeds and the files they are kept in.

mod export;
mod list;
mod new;
mod restore;
mod show;

use core::num::NonZeroU16;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

use super::context::Context as Surroundings;
use crate::wallet::ledger::DeviceShare;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Make an identity: 24 new words, or a seed that a wallet signs
    New(new::Arguments),
    /// Make an identity from the 24 words of one that was there before
    Restore(restore::Arguments),
    /// Show where an identity comes from, and its commitment at the registry
    Show(show::Arguments),
    /// List the identities of this device
    List,
    /// Show the 24 words, or copy the encrypted file
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

/// Which identity a verb is about.
#[derive(Debug, Args)]
struct Name {
    /// Name of the identity, in place of the setting `identity`
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

/// Which message ids the device may use.
#[derive(Debug, Args)]
struct Device {
    /// This device and how many there are, for example 1/2 and 2/2: each gets its own part of the quota, for ever
    ///
    /// Two devices that use one identity without this will sooner or later use one message id twice, which costs the
    /// deposit.
    #[arg(long, value_name = "NUMBER/COUNT", default_value = "1/1", value_parser = device)]
    device: DeviceShare,
}

fn device(text: &str) -> Result<DeviceShare> {
    let (number, count) = text.split_once('/').context("write it as 1/2")?;
    let (number, count): (NonZeroU16, NonZeroU16) = (number.parse()?, count.parse()?);
    if number > count {
        bail!("there is no device {number} among {count}");
    }
    Ok(DeviceShare::new(number.get() - 1, count)?)
}

/// In words, counted from one.
fn describe(device: DeviceShare) -> String {
    format!("{}/{}", device.device() + 1, device.devices())
}
