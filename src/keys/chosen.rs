//! The keys that subcommands prove and verify with, and warnings about development keys.

use anyhow::{Result, bail};
use quotapass_circuits::{
    constraints::Circuit,
    key_id::KeyId,
    prover::{KeyOrigin, Prover},
    slash::Slash,
    verifier::VerifyingKeyHash,
};
use quotapass_wallet::keys::{KeyProgress, KeyStore};

use crate::{config::Config, output::note};

/// Returns the prover of a circuit with the keys in force: the keys of a ceremony if the settings trust any, otherwise
/// development keys. Progress goes to standard error.
pub(crate) fn prover<C: Circuit>(store: &KeyStore) -> Result<Prover<C>> {
    Ok(store.prover(show)?)
}

/// Returns the hash of the slash circuit's verifying key in force, which the verifier contract states for its own key.
pub(crate) fn slash_key(store: &KeyStore) -> Result<VerifyingKeyHash> {
    Ok(prover::<Slash>(store)?.verifying_key().hash())
}

/// Returns the prover of a circuit with its development keys, only for reports about circuits and for local chains.
pub(crate) fn development_prover<C: Circuit>(store: &KeyStore, circuit: C) -> Result<Prover<C>> {
    Ok(store.development_prover(circuit, show)?)
}

/// The same with precomputed tables, for many proofs.
pub(crate) fn development_prover_with_tables<C: Circuit>(store: &KeyStore, circuit: C) -> Result<Prover<C>> {
    Ok(store.development_prover_with_tables(circuit, show)?)
}

pub(crate) fn show(progress: KeyProgress) {
    match progress {
        KeyProgress::Making(kind) => {
            note(format!("Creating development keys for `{kind}` (INSECURE: from a public seed)."));
        }
        KeyProgress::Building(kind) => note(format!("Building tables for proofs of `{kind}`.")),
        KeyProgress::Made { elapsed, path, .. } | KeyProgress::Built { elapsed, path, .. } => {
            note(format!("Done in {:.1} s, saved in {}.", elapsed.as_secs_f64(), path.display()));
        }
        _ => {}
    }
}

/// Says which key of a circuit is in force, if this key of a ceremony is installed.
pub(crate) fn in_force(store: &KeyStore, installed: Option<KeyId>) -> String {
    match installed {
        Some(id) if store.trusted().contains(&id) => KeyOrigin::Ceremony(id).to_string(),
        Some(_) if !store.trusted().is_empty() => "none: the installed key is not among `trusted_keys`".into(),
        None if !store.trusted().is_empty() => "none: `trusted_keys` is set, and no key is installed".into(),
        _ => KeyOrigin::Development.to_string(),
    }
}

/// Refuses a chain that is not listed as a test chain, unless the settings trust keys of ceremonies, which are then the
/// only keys that [`prover`] uses. The seed of development keys is public: with it, anyone can forge passes and slash
/// honest members.
pub(crate) fn require_test_chain(config: &Config, chain_id: u64) -> Result<()> {
    refuse_development_keys(!config.trusted_keys()?.is_empty() || config.is_test_chain(chain_id)?, chain_id)
}

/// Returns an error with the remedy, unless development keys may be used.
pub(crate) fn refuse_development_keys(may_run: bool, chain_id: u64) -> Result<()> {
    if may_run {
        return Ok(());
    }
    bail!(
        "no ceremony keys are trusted, so only development keys, which are INSECURE, are available, and chain \
         {chain_id} is not listed as a test chain. Install the keys of a ceremony with `quotapass keys install` and \
         list their ids in the setting `trusted_keys`; or, if nothing of value is on this chain, add it to \
         `test_chains`"
    )
}

/// Warns that something was made or verified with development keys.
pub(crate) fn warn_of(origin: KeyOrigin) {
    if !matches!(origin, KeyOrigin::Ceremony(_)) {
        note("With development keys, which are INSECURE: for tests only.");
    }
}
