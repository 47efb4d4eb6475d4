//! Where a reader fetches a log from.

use core::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Errors of fetching.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The server does not have it.
    #[error("the log's server does not have `{0}`; ask another server")]
    NotFound(String),
    /// The server does not answer, or answers with an error.
    #[error("the log's server does not answer for `{path}` ({reason}); try again later, or ask another server")]
    Unavailable {
        /// The path.
        path: String,
        /// The reason, without secrets.
        reason: String,
    },
    /// The reader has to fetch it first; see [`Shelf`].
    #[error("`{0}` is not fetched yet; fetch what the shelf asks for, and try again")]
    Wanted(String),
}

/// A server of a log: bytes by their path below the log's address, such as `checkpoint` or `tile/0/000`.
///
/// What a source returns is not trusted: readers check all of it. A source limits the size of an answer to
/// [`MAX_RESOURCE`].
pub trait Source {
    /// Fetches what is at a path.
    ///
    /// # Errors
    /// [`SourceError`].
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError>;

    /// Fetches several, in order. A source that can fetch at once does so here.
    ///
    /// # Errors
    /// [`SourceError`] of the first that fails.
    fn fetch_all(&self, paths: &[String]) -> Result<Vec<Vec<u8>>, SourceError> {
        paths.iter().map(|path| self.fetch(path)).collect()
    }
}

/// The largest answer of a source, in bytes: a full bundle of the largest entries.
pub const MAX_RESOURCE: usize = 256 * (2 + crate::MAX_ENTRY);

impl<T: Source + ?Sized> Source for &T {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        (**self).fetch(path)
    }

    fn fetch_all(&self, paths: &[String]) -> Result<Vec<Vec<u8>>, SourceError> {
        (**self).fetch_all(paths)
    }
}

/// A source for callers that cannot wait, such as a page in a browser: it has what was put on it, and remembers what was
/// asked for.
///
/// A reader changes nothing before it has all that it needs. So the caller starts it, fetches what the shelf then
/// [wants](Self::wanted), [puts](Self::put) it there, and starts the reader again, until nothing is wanted.
#[derive(Debug, Default)]
pub struct Shelf {
    has: BTreeMap<String, Result<Vec<u8>, SourceError>>,
    wanted: RefCell<BTreeSet<String>>,
}

impl Shelf {
    /// Returns an empty shelf.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the paths that were asked for and are not there, and forgets them.
    pub fn wanted(&self) -> Vec<String> {
        self.wanted.take().into_iter().collect()
    }

    /// Puts the answer for a path on the shelf.
    pub fn put(&mut self, path: String, answer: Result<Vec<u8>, SourceError>) {
        self.has.insert(path, answer);
    }
}

impl Source for Shelf {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        self.has.get(path).cloned().unwrap_or_else(|| {
            self.wanted.borrow_mut().insert(path.into());
            Err(SourceError::Wanted(path.into()))
        })
    }

    fn fetch_all(&self, paths: &[String]) -> Result<Vec<Vec<u8>>, SourceError> {
        // All of them are asked for, also after the first that is not there.
        let answers: Vec<_> = paths.iter().map(|path| self.fetch(path)).collect();
        answers.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shelf_remembers_what_it_lacks() {
        let mut shelf = Shelf::new();
        shelf.put("a".into(), Ok(vec![1]));
        let paths = ["a", "b", "c"].map(String::from);
        assert_eq!(shelf.fetch_all(&paths), Err(SourceError::Wanted("b".into())));
        assert_eq!(shelf.wanted(), ["b", "c"]);
        assert!(shelf.wanted().is_empty());
        shelf.put("b".into(), Err(SourceError::NotFound("b".into())));
        assert_eq!(shelf.fetch_all(&paths[..2]), Err(SourceError::NotFound("b".into())));
        assert_eq!(shelf.fetch("a"), Ok(vec![1]));
        assert!(shelf.wanted().is_empty());
    }
}
