//! The keys that verbs prove and verify with, and what is said while they are made.

use std::io::{self, Write};

use anyhow::{Result, bail};
use quotapass_circuits::{constraints::Circuit, membership::Levels, prover::Prover};

use super::config::Config;
use crate::keys::{KeyProgress, KeyStore};

/// The prover of a circuit; progress goes to standard error.
pub(super) fn development_prover<C: Circuit>(store: &KeyStore, levels: Levels) -> Result<Prover<C>> {
    Ok(store.development_prover::<C>(levels, tell)?)
}

/// The same with tables, for many proofs.
pub(super) fn development_prover_with_tables<C: Circuit>(store: &KeyStore, levels: Levels) -> Result<Prover<C>> {
    Ok(store.development_prover_with_tables::<C>(levels, tell)?)
}

fn tell(progress: KeyProgress) {
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

/// Refuses development keys on a chain that is not listed as a test chain: whoever knows the public seed forges passes
/// and slashes honest members.
pub(super) fn require_test_chain(config: &Config, chain_id: u64) -> Result<()> {
    if config.is_test_chain(chain_id)? {
        return Ok(());
    }
    bail!(
        "there are only development keys so far, which are INSECURE, and chain {chain_id} is not known as a test chain; if \
         it is one, add it to the setting `test_chains`"
    )
}
