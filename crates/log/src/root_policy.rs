//! Working keys: a log serves the newest `policy` entry that its root key signed, so that a reader who knows the root key
//! alone can check checkpoints.
//!
//! This is the one thing that all logs of this project have in common in what their entries mean: an entry of kind
//! `policy` has the field `working_keys`, and only the root key may change it.

use quotapass_protocol::note::NotePublicKey;
use serde::Deserialize;

use crate::{
    LogName, Refusal, Source, TreeHash,
    leaf::SignedLeaf,
    tree::{self, Fetched, check_inclusion},
};

/// The path of the newest policy that the root key signed: the place of the entry as decimal digits, a line feed, and the
/// entry.
pub const POLICY_PATH: &str = "policy";
/// The most working keys of a log.
pub const MAX_WORKING_KEYS: usize = 8;

/// Returns what a log serves at [`POLICY_PATH`].
pub fn write_policy(index: u64, leaf: &[u8]) -> Vec<u8> {
    [format!("{index}\n").as_bytes(), leaf].concat()
}

/// A policy that the root key signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RootPolicy {
    /// The place of the entry.
    pub index: u64,
    leaf: TreeHash,
    /// The keys that sign checkpoints.
    pub working_keys: Vec<NotePublicKey>,
}

#[derive(Deserialize)]
struct Fields {
    kind: String,
    working_keys: Vec<String>,
}

impl RootPolicy {
    /// Fetches the policy, and checks the signature of the root key.
    pub(crate) fn fetch(source: &(impl Source + ?Sized), name: &LogName) -> Result<Self, Refusal> {
        let bytes = source.fetch(POLICY_PATH)?;
        Self::read(&bytes, name).map_err(|reason| Refusal::Policy(reason.into()))
    }

    fn read(bytes: &[u8], name: &LogName) -> Result<Self, &'static str> {
        let place = bytes.iter().position(|byte| *byte == b'\n').ok_or("it has no place")?;
        let (index, leaf) = (&bytes[..place], &bytes[place + 1..]);
        let index =
            core::str::from_utf8(index).ok().and_then(|index| index.parse().ok()).ok_or("its place is no number")?;
        let read = SignedLeaf::read(leaf).map_err(|_| "it is not a signed entry")?;
        let root_key = core::slice::from_ref(&name.root_key);
        read.signers(&name.origin, root_key).map_err(|_| "it is not signed by the root key alone")?;
        let fields: Fields = read.value().map_err(|_| "it names no working keys")?;
        if fields.kind != "policy" {
            return Err("it is another kind of entry");
        }
        let working_keys: Result<Vec<NotePublicKey>, _> = fields.working_keys.iter().map(|key| key.parse()).collect();
        let working_keys = working_keys.map_err(|_| "a working key is not a key")?;
        if working_keys.len() > MAX_WORKING_KEYS {
            return Err("it names too many working keys");
        }
        Ok(Self { index, leaf: TreeHash::of_entry(leaf), working_keys })
    }

    /// Checks that the policy is an entry of the log.
    pub(crate) fn check_logged(
        &self,
        source: &(impl Source + ?Sized),
        size: u64,
        root: TreeHash,
    ) -> Result<(), Refusal> {
        if self.index >= size {
            return Err(Refusal::Policy("its place is beyond the checkpoint".into()));
        }
        let tiles = Fetched::new(source, size);
        let proof = tree::inclusion(&tiles, size, self.index, || crate::SourceError::NotFound("tiles".into()))?;
        let checked = check_inclusion(&proof, size, root, self.index, self.leaf);
        checked.map_err(|_| Refusal::Policy("the tree has another entry at its place".into()))
    }
}

#[cfg(test)]
mod tests {
    use quotapass_protocol::note::NoteKey;

    use super::*;

    fn key(name: &str, seed: u8) -> NoteKey {
        NoteKey::from_seed(name, &[seed; 32]).unwrap()
    }

    #[test]
    fn only_the_root_key_names_working_keys() {
        let root = key("root", 1);
        let name = LogName { origin: "relay.example/log".parse().unwrap(), root_key: root.public() };
        let working = key("relay.example/log", 2).public();
        let served = |json: &str, signer: &NoteKey| {
            let leaf = SignedLeaf::new(json).unwrap().signed(&name.origin, &[signer]).unwrap();
            RootPolicy::read(&write_policy(4, &leaf.to_bytes().unwrap()), &name)
        };
        let json = format!(r#"{{"kind":"policy","working_keys":["{working}"]}}"#);
        let policy = served(&json, &root).unwrap();
        assert_eq!((policy.index, policy.working_keys), (4, vec![working]));
        assert!(served(&json, &key("root", 2)).is_err());
        assert!(served(&json.replace("policy", "strike"), &root).is_err());
        assert!(served(&json.replace("relay.example", "relay"), &root).is_err());
        assert!(served(r#"{"kind":"policy"}"#, &root).is_err());
        for broken in [&b""[..], b"4", b"x\n{}\n", b"-4\n{}\n"] {
            assert!(RootPolicy::read(broken, &name).is_err());
        }
    }
}
