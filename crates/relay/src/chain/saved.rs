//! The file with the latest roots and the registry's exit delay, for a start without the chain.
//!
//! JSON: `{"version": 2, "exit_delay": ..., "roots": [{"root": ..., "since": ...}, ...]}`, oldest first, `since` in
//! Unix seconds. It is a cache: a file that does not match the copy of the registry is ignored.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quotapass_circuits::membership::Root;
use quotapass_protocol::UnixSeconds;
use quotapass_wallet::files::write_atomically;
use serde::{Deserialize, Serialize};

const VERSION: u32 = 2;

/// A root, and the time since when it is current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedRoot {
    pub(super) root: Root,
    pub(super) since: UnixSeconds,
}

/// The chain data that a start without the chain needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    /// The registry's exit delay in seconds; none if unknown.
    pub(super) exit_delay: Option<u32>,
    /// The roots, oldest first.
    pub(super) roots: Vec<SavedRoot>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    exit_delay: Option<u32>,
    roots: Vec<SavedRoot>,
}

/// The file with the saved roots.
#[derive(Debug)]
pub(super) struct SavedRoots {
    path: PathBuf,
}

impl SavedRoots {
    /// Returns the file beside a copy of a registry.
    pub(super) fn beside(copy: &Path) -> Self {
        Self { path: copy.with_extension("roots.json") }
    }

    /// Loads the saved data if its last root is `current`. Without a file, or with a file of another version or another
    /// root, the result is empty.
    pub(super) fn load(&self, current: Root) -> io::Result<Saved> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Saved::default()),
            Err(error) => return Err(error),
        };
        let document: Option<Document> = serde_json::from_slice(&text).ok();
        let fits = |document: &Document| {
            document.version == VERSION && document.roots.last().is_some_and(|last| last.root == current)
        };
        let saved = |Document { exit_delay, roots, .. }| Saved { exit_delay, roots };
        Ok(document.filter(fits).map_or_else(Saved::default, saved))
    }

    pub(super) fn save(&self, Saved { exit_delay, roots }: Saved) -> io::Result<()> {
        let text = serde_json::to_vec(&Document { version: VERSION, exit_delay, roots })?;
        write_atomically(&self.path, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_read_back_and_fit_the_copy_or_are_not_used() {
        let root = |number: u8| {
            let mut bytes = [0; 32];
            bytes[31] = number;
            Root::from_be_bytes(&bytes).unwrap()
        };
        let folder = tempfile::tempdir().unwrap();
        let saved = SavedRoots::beside(&folder.path().join("members.redb"));
        assert_eq!(saved.load(root(1)).unwrap(), Saved::default());
        let roots = vec![
            SavedRoot { root: root(1), since: UnixSeconds(0) },
            SavedRoot { root: root(2), since: UnixSeconds(50) },
        ];
        let known = Saved { exit_delay: Some(7_200), roots };
        saved.save(known.clone()).unwrap();
        assert_eq!(saved.load(root(2)).unwrap(), known);
        assert_eq!(saved.load(root(1)).unwrap(), Saved::default());
        fs::write(&saved.path, b"{\"version\":2,").unwrap();
        assert_eq!(saved.load(root(2)).unwrap(), Saved::default());
    }
}
