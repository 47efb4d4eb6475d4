//! Questions about roots of the registry's whole history.

use std::{sync::mpsc, time::Duration};

use quotapass_circuits::membership::Root;
use quotapass_registry::Follower;

/// The longest time for an answer. It includes a poll of the chain that is under way, and the hashing of the whole tree.
const PATIENCE: Duration = Duration::from_secs(60);
/// The most questions that wait. Each costs as much as hashing the whole tree, so that they must not pile up.
const MAX_WAITING: usize = 4;

/// Errors of a [`RootArchive`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// There are too many questions, the chain's thread does not answer, or the copy of the members cannot be read.
    #[error("the registry's former roots cannot be read now ({0}); try again soon")]
    Unavailable(String),
}

struct Question {
    root: Root,
    answer: mpsc::Sender<Result<bool, ArchiveError>>,
}

/// Answers whether the registry's tree ever had a root, also long before the root windows of all scopes. Clones ask the
/// same [`ChainFollower`](super::ChainFollower), which answers between two polls of the chain.
#[derive(Clone, Debug)]
pub struct RootArchive(mpsc::SyncSender<Question>);

impl RootArchive {
    /// Returns whether the tree ever had this root at the end of a block. Blocks the thread until the answer.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn had(&self, root: Root) -> Result<bool, ArchiveError> {
        let unavailable = |reason: &str| ArchiveError::Unavailable(reason.into());
        let (answer, answered) = mpsc::channel();
        self.0.try_send(Question { root, answer }).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => unavailable("too many questions wait"),
            mpsc::TrySendError::Disconnected(_) => unavailable("the relay is stopping"),
        })?;
        answered.recv_timeout(PATIENCE).map_err(|_| unavailable("there is no answer yet"))?
    }
}

/// The questions that a follower answers.
pub(super) struct Questions {
    archive: RootArchive,
    asked: mpsc::Receiver<Question>,
}

impl Questions {
    pub(super) fn new() -> Self {
        let (ask, asked) = mpsc::sync_channel(MAX_WAITING);
        Self { archive: RootArchive(ask), asked }
    }

    pub(super) fn archive(&self) -> RootArchive {
        self.archive.clone()
    }

    /// Answers the questions that wait.
    pub(super) fn answer(&self, copy: &Follower) {
        for Question { root, answer } in self.asked.try_iter() {
            let had = copy.had_root(root).map_err(|error| ArchiveError::Unavailable(error.to_string()));
            // Fails only if the asker no longer waits.
            let _ = answer.send(had);
        }
    }
}
