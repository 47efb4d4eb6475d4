//! The latest roots in a file, for a start without the chain.
//!
//! JSON: `{"version": 1, "roots": [{"root": ..., "since": ...}, ...]}`, oldest first, `since` in Unix seconds. It is a
//! cache: a file that does not fit the copy of the registry is not used.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use quotapass_circuits::membership::Root;
use serde::{Deserialize, Serialize};

use crate::files::write_atomically;

const VERSION: u32 = 1;

/// A root, and since when it is current.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedRoot {
    pub(super) root: Root,
    pub(super) since: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    roots: Vec<SavedRoot>,
}

/// The file.
#[derive(Debug)]
pub(super) struct SavedRoots {
    path: PathBuf,
}

impl SavedRoots {
    /// The file of a copy of a registry, beside it.
    pub(super) fn beside(copy: &Path) -> Self {
        Self { path: copy.with_extension("roots.json") }
    }

    /// The roots that were saved, if the last of them is `current`. Without a file, or with one of another version or
    /// another time, there are none.
    pub(super) fn load(&self, current: Root) -> io::Result<Vec<SavedRoot>> {
        let text = match fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let document: Option<Document> = serde_json::from_slice(&text).ok();
        let fits = |document: &Document| {
            document.version == VERSION && document.roots.last().is_some_and(|last| last.root == current)
        };
        Ok(document.filter(fits).map(|document| document.roots).unwrap_or_default())
    }

    pub(super) fn save(&self, roots: Vec<SavedRoot>) -> io::Result<()> {
        let text = serde_json::to_vec(&Document { version: VERSION, roots })?;
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
        assert_eq!(saved.load(root(1)).unwrap(), []);
        let roots = vec![SavedRoot { root: root(1), since: 0 }, SavedRoot { root: root(2), since: 50 }];
        saved.save(roots.clone()).unwrap();
        assert_eq!(saved.load(root(2)).unwrap(), roots);
        assert_eq!(saved.load(root(1)).unwrap(), []);
        fs::write(&saved.path, b"{\"version\":1,").unwrap();
        assert_eq!(saved.load(root(2)).unwrap(), []);
    }
}
