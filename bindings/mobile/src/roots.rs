//! The roots that passes may be proved against.

use std::sync::RwLock;

use quotapass_circuits::membership::Root;
use quotapass_protocol::{RootHistory, UnixSeconds, Verdict};
use quotapass_wallet::AcceptedRoots;
use serde::Deserialize;

use crate::{QuotapassError, read, text::field, write};

/// An earlier root of the tree.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SupersededRoot {
    /// The root.
    pub root: String,
    /// The Unix second at which another root superseded it.
    pub superseded_at: u64,
}

/// The roots that a verifier accepts: the current one, and each earlier one for the room's window after it was
/// superseded.
#[derive(uniffi::Object)]
pub struct Roots {
    history: RwLock<RootHistory>,
}

#[uniffi::export]
impl Roots {
    /// Creates the roots from the current one and the superseded ones, in any order.
    ///
    /// # Errors
    /// `BadInput` if one is not a root.
    #[uniffi::constructor]
    pub fn new(current: String, superseded: Vec<SupersededRoot>) -> Result<Self, QuotapassError> {
        let superseded = superseded
            .iter()
            .map(|entry| Ok((field("superseded.root", &entry.root)?, UnixSeconds(entry.superseded_at))))
            .collect::<Result<Vec<_>, QuotapassError>>()?;
        Ok(Self::of(Some(field("current", &current)?), superseded))
    }

    /// Reads the roots from a relay's answer to `GET /v1/roots`. If the relay has no root yet, nothing is accepted.
    ///
    /// # Errors
    /// `BadInput` if the JSON is not such an answer.
    #[uniffi::constructor]
    pub fn from_json(json: String) -> Result<Self, QuotapassError> {
        let body: RootsBody = serde_json::from_str(&json).map_err(|error| {
            QuotapassError::bad_input("json", format!("not a relay's answer to /v1/roots: {error}"))
        })?;
        let superseded = body.recent.into_iter().map(|entry| (entry.root, entry.superseded_at)).collect();
        Ok(Self::of(body.current, superseded))
    }

    /// Adds a new root, which is current from the Unix second `at`.
    ///
    /// # Errors
    /// `BadInput` if it is not a root.
    pub fn advance(&self, root: String, at: u64) -> Result<(), QuotapassError> {
        let root = field("root", &root)?;
        write(&self.history).advance(root, UnixSeconds(at));
        Ok(())
    }

    /// The current root, if any.
    pub fn current(&self) -> Option<String> {
        read(&self.history).current().map(|root| root.to_string())
    }
}

impl Roots {
    fn of(current: Option<Root>, mut superseded: Vec<(Root, UnixSeconds)>) -> Self {
        let mut history = RootHistory::new();
        if let Some(current) = current {
            superseded.sort_by_key(|(_, at)| *at);
            // Each root became current when the one before it was superseded.
            let mut since = UnixSeconds(0);
            for (root, superseded_at) in superseded {
                history.advance(root, since);
                since = superseded_at;
            }
            history.advance(current, since);
        }
        Self { history: RwLock::new(history) }
    }
}

impl AcceptedRoots for Roots {
    fn check(&self, root: Root, window: u32, now: UnixSeconds) -> Result<(), Verdict> {
        read(&self.history).check(root, window, now)
    }
}

#[derive(Deserialize)]
struct RootsBody {
    current: Option<Root>,
    recent: Vec<SupersededBody>,
}

#[derive(Deserialize)]
struct SupersededBody {
    root: Root,
    superseded_at: UnixSeconds,
}
