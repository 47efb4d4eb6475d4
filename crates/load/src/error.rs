//! Errors of a load.

use std::{error::Error, io, path::PathBuf};

use hdrhistogram::CreationError;
use quotapass_registry::{
    RegistryError,
    embedded::{EmbeddedError, StateFileError},
    node::NodeError,
};
use quotapass_wallet::keys::KeyStoreError;

use crate::{Percentage, journal::JournalFault, passes::PassFault};

/// Error: a load cannot be prepared or sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// A file or folder cannot be used.
    #[error("cannot {action} {}", path.display())]
    File {
        /// The action that failed.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file of passes has another content.
    #[error("cannot use {}; delete it, and its passes are made again", path.display())]
    Passes {
        /// The file.
        path: PathBuf,
        /// Its fault.
        source: PassFault,
    },
    /// A journal has another content.
    #[error("cannot use the journal {}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// Its fault.
        source: JournalFault,
    },
    /// There is nothing to send again.
    #[error("the journal is empty; there is nothing to send again")]
    EmptyJournal,
    /// The shares of posts are more than all posts.
    #[error(
        "replays of {replays}, forgeries of {forgeries} and twice the conflicts of {conflicts} are more than 100%; lower \
         one of them"
    )]
    Shares {
        /// Share of replays.
        replays: Percentage,
        /// Share of forgeries.
        forgeries: Percentage,
        /// Share of conflicts.
        conflicts: Percentage,
    },
    /// The members have too small a quota for the honest posts.
    #[error(
        "this load needs {needed} honest posts, but all members together have a quota of {quota}; send fewer posts, or \
         more replays"
    )]
    Quota {
        /// Number of honest posts.
        needed: u32,
        /// Number of honest posts that the members can send.
        quota: u32,
    },
    /// There are too few spammers for the conflicts.
    #[error("this load needs {needed} spammers, but there are {spammers}; lower the share of conflicts")]
    Spammers {
        /// Number of spammers in the plan.
        needed: u32,
        /// Number of spammers in the registry.
        spammers: u32,
    },
    /// The chain's file has other members.
    #[error(
        "{} holds other members than this version of the program makes; delete its folder and run again",
        .0.display()
    )]
    OtherMembers(PathBuf),
    /// The chain's file cannot be used.
    #[error("cannot use the chain of the load")]
    StateFile(#[from] StateFileError),
    /// The registry cannot be deployed or read.
    #[error("cannot use the registry of the load")]
    Registry(#[from] RegistryError),
    /// The chain cannot run a transaction, or cannot be saved.
    #[error("cannot use the chain of the load")]
    Embedded(#[from] EmbeddedError),
    /// The chain cannot run a transaction.
    #[error("cannot use the chain of the load")]
    Node(#[from] NodeError),
    /// The proving keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeyStoreError),
    /// A member, a pass or a request cannot be made.
    #[error("cannot make a post")]
    Post(#[source] Box<dyn Error + Send + Sync>),
    /// The relay's URL is invalid, or the HTTP client cannot be set up.
    #[error("cannot connect to the relay")]
    Client(#[source] Box<dyn Error + Send + Sync>),
    /// The latencies cannot be counted.
    #[error("cannot count latencies")]
    Latencies(#[from] CreationError),
    /// The task that sends requests failed.
    #[error("the requests were not all sent; this is a bug")]
    Interrupted,
}

impl LoadError {
    pub(crate) fn file(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.into(), source }
    }

    pub(crate) fn post(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Post(error.into())
    }

    pub(crate) fn client(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Client(error.into())
    }
}
