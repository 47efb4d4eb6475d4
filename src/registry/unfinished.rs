//! A deployment of several contracts that the next run continues after an interruption.

use std::{fs, io, path::PathBuf};

use alloy_primitives::{Address, B256, BlockNumber};
use anyhow::{Context as _, Result};
use quotapass_registry::node::{Node, NodeError};
use quotapass_wallet::files::write_atomically;
use serde::{Deserialize, Serialize};

use crate::output::note;

/// The steps of a deployment that are done.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Steps {
    /// Hash of the registry's terms and of the verifier's code. Contracts for other terms are not used.
    terms: B256,
    /// The development token.
    pub(super) token: Option<Address>,
    /// Whether its tokens were minted.
    pub(super) is_minted: bool,
    /// The verifier.
    pub(super) verifier: Option<Address>,
    /// The registry and its block.
    pub(super) registry: Option<(Address, BlockNumber)>,
}

impl Steps {
    fn contracts(&self) -> impl Iterator<Item = Address> {
        self.token.into_iter().chain(self.verifier).chain(self.registry.map(|(address, _)| address))
    }
}

/// A deployment and its file in the data folder.
pub(super) struct Deployment {
    path: PathBuf,
    pub(super) steps: Steps,
}

impl Deployment {
    /// Continues the deployment that a file has, or begins one. `terms` identifies it.
    pub(super) fn open(path: PathBuf, terms: B256, node: &impl Node) -> Result<Self> {
        let begun = Steps { terms, ..Steps::default() };
        let steps: Steps = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self { path, steps: begun }),
            content => {
                let content = content.with_context(|| format!("cannot read {}", path.display()))?;
                serde_json::from_slice(&content)
                    .with_context(|| format!("{} is damaged; remove it to deploy all contracts anew", path.display()))?
            }
        };
        if steps.terms != terms {
            let left: Vec<_> = steps.contracts().map(|contract| contract.to_string()).collect();
            note(format!("An interrupted deployment with other terms is given up. It left: {}.", left.join(", ")));
            return Ok(Self { path, steps: begun });
        }
        for contract in steps.contracts() {
            match node.code(contract) {
                Ok(_) => {}
                // A development chain that was started anew, or a reorganisation.
                Err(NodeError::NoContract(_)) => return Ok(Self { path, steps: begun }),
                Err(error) => return Err(error.into()),
            }
        }
        note("Continuing the deployment that was interrupted.");
        Ok(Self { path, steps })
    }

    /// Stores the steps that are done.
    pub(super) fn save(&self) -> Result<()> {
        write_atomically(&self.path, &serde_json::to_vec(&self.steps)?)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Ends the deployment. The file exists, because the last step was stored.
    pub(super) fn end(self) -> Result<()> {
        fs::remove_file(&self.path).with_context(|| format!("cannot remove {}", self.path.display()))
    }
}
