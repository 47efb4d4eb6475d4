//! The keys that verbs prove and verify with, and what is said of them.

use std::io::{self, Write};

use anyhow::{Result, bail};
use quotapass_circuits::{
    constraints::Circuit,
    membership::Levels,
    prover::{KeyOrigin, Prover},
    slash::Slash,
    verifier::KeyHash,
};

use crate::{
    cli::{config::Config, output::note},
    keys::{KeyProgress, KeyStore},
};

/// The prover of a circuit with the keys in force: those of a ceremony if the settings trust any, development keys
/// otherwise. Progress goes to standard error.
pub(in crate::cli) fn prover<C: Circuit>(store: &KeyStore) -> Result<Prover<C>> {
    Ok(store.prover(show)?)
}

/// The key in force for slashes, as the contract that verifies them names its own.
pub(in crate::cli) fn slash_key(store: &KeyStore) -> Result<KeyHash> {
    Ok(prover::<Slash>(store)?.verifying_key().hash())
}

/// The prover of a circuit with its development keys, for what is said of circuits and for chains of our own alone.
pub(in crate::cli) fn development_prover<C: Circuit>(store: &KeyStore, levels: Levels) -> Result<Prover<C>> {
    Ok(store.development_prover(levels, show)?)
}

/// The same with tables, for many proofs.
pub(in crate::cli) fn development_prover_with_tables<C: Circuit>(
    store: &KeyStore,
    levels: Levels,
) -> Result<Prover<C>> {
    Ok(store.development_prover_with_tables(levels, show)?)
}

fn show(progress: KeyProgress) {
    let mut out = io::stderr();
    // Progress that cannot be shown is no reason to stop.
    let _ = match progress {
        KeyProgress::Making(kind) => {
            write!(out, "Making development keys for `{kind}` (INSECURE: from a public seed) ... ")
                .and_then(|()| out.flush())
        }
        KeyProgress::Building(kind) => {
            write!(out, "Building tables for proofs of `{kind}` ... ").and_then(|()| out.flush())
        }
        KeyProgress::Made { elapsed, path, .. } | KeyProgress::Built { elapsed, path, .. } => {
            writeln!(out, "done in {:.1} s, kept in {}", elapsed.as_secs_f64(), path.display())
        }
    };
}

/// Refuses a chain that is not listed as a test chain, unless the settings trust keys of ceremonies, with which
/// [`prover`] then works and no others: whoever knows the public seed of development keys forges passes and slashes
/// honest members.
pub(in crate::cli) fn require_test_chain(config: &Config, chain_id: u64) -> Result<()> {
    refuse_development_keys(!config.trusted_keys()?.is_empty() || config.is_test_chain(chain_id)?, chain_id)
}

/// Says what is missing, and the way out.
pub(in crate::cli) fn refuse_development_keys(may_run: bool, chain_id: u64) -> Result<()> {
    if may_run {
        return Ok(());
    }
    bail!(
        "no keys of a ceremony are trusted, so that there are only development keys, which are INSECURE, and chain \
         {chain_id} is not known as a test chain. Install the keys of a ceremony with `quotapass keys install` and list \
         their hashes in the setting `trusted_keys`; or, if nothing of value is on this chain, add it to `test_chains`"
    )
}

/// Tells a person that something was made, or judged, with development keys.
pub(in crate::cli) fn warn_of(origin: KeyOrigin) {
    if !matches!(origin, KeyOrigin::Ceremony(_)) {
        note("With development keys, which are INSECURE: fit for tests alone.");
    }
}
