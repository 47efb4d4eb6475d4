//! `quotapass relay evidence`: the evidence in a log against members who exceeded a quota.

use core::num::NonZeroU16;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail};
use clap::Subcommand;
use quotapass_circuits::identity::IdentityCommitment;
use quotapass_protocol::Evidence;
use quotapass_relay::{Clock, Conviction, RelayStore, SystemClock};
use serde_json::json;

use super::{
    settings::Settings,
    surroundings::{ChainAccess, Folders},
};
use crate::{evidence, output::Output};

/// A log on this machine's disk can be opened by one program at a time: stop the relay first.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// List the members with evidence against them, and the state of their cases
    List,
    /// Write evidence to files, for `quotapass slash` or for another relay
    ///
    /// Keep these files private: they reveal the offenders' secrets.
    Export {
        /// New or empty folder; each file is named after the member's commitment
        #[arg(value_name = "FOLDER")]
        out: PathBuf,
        /// Export only the evidence against this member
        #[arg(long, value_name = "COMMITMENT")]
        member: Option<IdentityCommitment>,
    },
    /// Import evidence that another relay has exported
    Import {
        /// Files written by `export` or by `quotapass verify --evidence`
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

pub(super) fn run(verb: &Verb, settings: &Settings, folders: &Folders, output: Output) -> Result<()> {
    let chain = ChainAccess::open(&settings.fixed.chain, &settings.fixed.slashing, Arc::new(SystemClock))?;
    let store = folders.open_store(&settings.fixed, &chain.id, false)?;
    match verb {
        Verb::List => list(&*store, output),
        Verb::Export { out, member } => export(&*store, out, *member, output),
        Verb::Import { files } => import(&*store, &chain, files, output),
    }
}

/// Returns all evidence, with the commitments of the members.
fn all(store: &dyn RelayStore) -> Result<Vec<(IdentityCommitment, Evidence)>> {
    let known = |Conviction { evidence, .. }| Some((evidence.secret()?.commitment(), evidence));
    Ok(store.convictions(0)?.into_iter().filter_map(known).collect())
}

fn list(store: &dyn RelayStore, output: Output) -> Result<()> {
    for (commitment, evidence) in all(store)? {
        let settlement = store.cases().settlement(commitment)?;
        let state = settlement.as_ref().map_or_else(|| Ok("open".into()), serde_json::to_string)?;
        let epoch = evidence.epoch;
        output.result(
            &format!("{commitment}  epoch {} of {} s  {state}", epoch.number(), epoch.seconds()),
            json!({
                "commitment": commitment,
                "scope": evidence.scope,
                "epoch_seconds": epoch.seconds(),
                "epoch": epoch.number(),
                "settlement": settlement,
            }),
        )?;
    }
    Ok(())
}

fn export(store: &dyn RelayStore, out: &Path, member: Option<IdentityCommitment>, output: Output) -> Result<()> {
    let mut count = 0;
    for (commitment, evidence) in all(store)? {
        if member.is_some_and(|member| member != commitment) {
            continue;
        }
        let path = out.join(format!("{commitment}.json"));
        evidence::write(&evidence, &path)?;
        count += 1;
        output.result(&path.display().to_string(), json!({ "commitment": commitment, "file": path }))?;
    }
    match member {
        Some(member) if count == 0 => bail!("there is no evidence against {member}"),
        _ => Ok(()),
    }
}

fn import(store: &dyn RelayStore, chain: &ChainAccess, files: &[PathBuf], output: Output) -> Result<()> {
    let registry = chain.link.reader().context("cannot look up members on the chain")?;
    for path in files {
        let evidence = evidence::read(path)?;
        let name = path.display();
        let secret = evidence
            .secret_below(NonZeroU16::MAX)
            .with_context(|| format!("the shares in {name} do not belong to the nullifier recorded with them"))?;
        let commitment = secret.commitment();
        if registry.slots_of(commitment)?.is_empty() {
            bail!("{name} is against {commitment}, which was never in this registry; it was not imported");
        }
        let is_new = store.convict(&Conviction::new(evidence, SystemClock.now()))?;
        let text = if is_new { "imported" } else { "already known" };
        output.result(
            &format!("{commitment}  {text}"),
            json!({ "commitment": commitment, "new": is_new, "file": path }),
        )?;
    }
    Ok(())
}
