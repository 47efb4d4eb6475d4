//! Readers of the lists that a scope enforces.

use std::sync::Arc;

use quotapass_circuits::{formats::recorded::ListVersion, identity::IdentitySecret, moderation::Entry};
use quotapass_log::{
    Follower, LogId, MemoryError, Refusal, Source,
    moderation::{ListKey, ListReference, ListedEntry, read_index},
};
use quotapass_protocol::{LogIdentity, ReportScope, UnixSeconds};

use super::{LogMemory, LogMemoryError, LogSettings, LogSettingsError, OwnStrike, Struck, enforced, struck};
use crate::BoundPolicy;

/// Errors of lists. No post is made then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListError {
    /// The settings do not name a log of the policy.
    #[error(transparent)]
    Settings(#[from] LogSettingsError),
    /// What the wallet remembers of a log cannot be read or written.
    #[error(transparent)]
    Memory(#[from] LogMemoryError),
    /// What was shown of a log is not used.
    #[error("the log `{origin}`: {refusal}")]
    Refused {
        /// The origin of the log.
        origin: String,
        /// The reason.
        refusal: Refusal,
    },
    /// A source is missing.
    #[error(
        "there are {lists} lists and {sources} sources of logs; give one source for each list, in the policy's order"
    )]
    Sources {
        /// Number of lists.
        lists: usize,
        /// Number of sources.
        sources: usize,
    },
    /// The member is struck.
    #[error(transparent)]
    Struck(#[from] Struck),
}

/// A list at one size of its log, as the wallet has verified it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentList {
    /// The log, its size and its root.
    pub reference: ListReference,
    /// The listed posts, in order.
    pub entries: Arc<[Entry]>,
}

impl CurrentList {
    /// The version that passes state.
    pub fn version(&self) -> ListVersion {
        let ListReference { log, size, root } = self.reference;
        let root = root.as_bytes();
        ListVersion { log: log.to_short_bytes(), size, root: core::array::from_fn(|place| root[place]) }
    }

    /// The log, as policies name it.
    pub fn log(&self) -> LogIdentity {
        LogIdentity(*self.reference.log.as_bytes())
    }
}

/// A reader of one list: it follows the list's log.
#[derive(Debug)]
pub struct ListReader {
    settings: LogSettings,
    key: ListKey,
    limit: usize,
    follower: Follower,
    current: Option<CurrentList>,
}

impl ListReader {
    /// Opens a reader of the list of a scope, with at most `limit` entries. It goes on from what the memory has of the log.
    ///
    /// # Errors
    /// [`LogMemoryError`].
    pub fn open(
        settings: LogSettings,
        key: ListKey,
        limit: usize,
        memory: &(impl LogMemory + ?Sized),
    ) -> Result<Self, LogMemoryError> {
        let (log, trust) = (settings.id(), settings.trust().clone());
        let follower = match memory.load(log)? {
            None => Follower::new(trust),
            Some(seen) => Follower::resume(trust, &seen).map_err(|MemoryError| LogMemoryError::Damaged { log })?,
        };
        Ok(Self { settings, key, limit, follower, current: None })
    }

    /// The settings of the log.
    pub fn settings(&self) -> &LogSettings {
        &self.settings
    }

    /// The list as it was last read.
    pub fn current(&self) -> Option<&CurrentList> {
        self.current.as_ref()
    }

    /// Reads the newest list. What the follower remembers is durable in the memory before the list is returned.
    ///
    /// # Errors
    /// [`ListError`]; the reader is unchanged then.
    pub fn refresh(
        &mut self,
        source: &(impl Source + ?Sized),
        memory: &(impl LogMemory + ?Sized),
        now: UnixSeconds,
    ) -> Result<&CurrentList, ListError> {
        let mut follower = self.newest(memory)?;
        let index = read_index(&mut follower, source, now).map_err(|refusal| self.refused(refusal))?;
        let list = index.list(source, &self.key, self.limit).map_err(|refusal| self.refused(refusal))?;
        if let Some(seen) = follower.memory() {
            memory.save(self.settings.id(), &seen)?;
        }
        self.follower = follower;
        let entry = |&ListedEntry { x, y, nullifier }: &ListedEntry| Entry { x, y, nullifier };
        let entries = list.entries.iter().map(entry).collect();
        Ok(self.current.insert(CurrentList { reference: list.reference, entries }))
    }

    /// Returns a follower that goes on from the newest checkpoint that was accepted, here or by another program with this
    /// memory.
    ///
    /// **Attack prevented**: a log shows another history to a program that has not read it for longer. Each program would
    /// compare the log with its own last checkpoint alone, and the memory would be that of the longer history.
    fn newest(&self, memory: &(impl LogMemory + ?Sized)) -> Result<Follower, LogMemoryError> {
        let log = self.settings.id();
        let Some(kept) = memory.load(log)? else { return Ok(self.follower.clone()) };
        let resumed = Follower::resume(self.settings.trust().clone(), &kept);
        let kept = resumed.map_err(|MemoryError| LogMemoryError::Damaged { log })?;
        let size = |follower: &Follower| follower.seen().map(|checkpoint| checkpoint.size);
        let root = |follower: &Follower| follower.seen().map(|checkpoint| checkpoint.root);
        if size(&kept) < size(&self.follower) {
            return Ok(self.follower.clone());
        }
        if size(&kept) == size(&self.follower) && root(&kept) != root(&self.follower) {
            return Err(LogMemoryError::Forked { log });
        }
        Ok(kept)
    }

    /// Returns the listed posts that a secret wrote. Nothing is fetched.
    pub fn posts_of(&self, secret: &IdentitySecret) -> Vec<Entry> {
        let entries = self.current.as_ref().map_or(&[][..], |list| &list.entries);
        Entry::positions_by(secret, entries).into_iter().filter_map(|place| entries.get(place).copied()).collect()
    }

    /// Fetches what the log says about the strikes of listed posts.
    ///
    /// The log's server can tell from these requests that somebody behind this connection is struck: a member who is not
    /// never makes them. It does not learn by which strike: see [`Struck`].
    ///
    /// # Errors
    /// [`ListError::Refused`].
    pub fn explain(&self, source: &(impl Source + ?Sized), posts: &[Entry]) -> Result<Vec<OwnStrike>, ListError> {
        let listed = self.current.as_ref().map_or(&[][..], |list| &list.entries);
        let details = struck::fetch(&self.follower, source, listed, posts).map_err(|refusal| self.refused(refusal))?;
        Ok(posts.iter().zip(details).map(|(post, details)| self.strike(*post, Some(details))).collect())
    }

    fn strike(&self, post: Entry, details: Option<super::StrikeDetails>) -> OwnStrike {
        OwnStrike {
            origin: self.settings.name().origin.to_string(),
            log: self.settings.identity(),
            servers: self.settings.servers().to_vec(),
            post,
            details,
        }
    }

    fn refused(&self, refusal: Refusal) -> ListError {
        ListError::Refused { origin: self.settings.name().origin.to_string(), refusal }
    }
}

/// Readers of all lists of a scope, in the order of its policy.
#[derive(Debug)]
pub struct ScopeLists(Vec<ListReader>);

impl ScopeLists {
    /// Opens the readers of the lists that a policy enforces. For the reports of a post these are the lists of the post's
    /// scope.
    ///
    /// # Errors
    /// [`ListError::Settings`] if the settings lack a log of the policy, [`ListError::Memory`].
    pub fn open(
        policy: &BoundPolicy,
        settings: &[LogSettings],
        memory: &(impl LogMemory + ?Sized),
    ) -> Result<Self, ListError> {
        let name = &policy.values().name;
        let scope = name.parse().map_or_else(|_| name.clone(), |report: ReportScope| report.scope);
        let key = ListKey { registry: *policy.registry(), scope };
        let readers = enforced(policy.values(), settings)?
            .into_iter()
            .map(|(log, limit)| ListReader::open(log.clone(), key.clone(), limit, memory))
            .collect::<Result<_, _>>()?;
        Ok(Self(readers))
    }

    /// The readers.
    pub fn readers(&self) -> &[ListReader] {
        &self.0
    }

    /// Reads the newest version of each list, from one source for each, in their order. All are read, also after the first
    /// that fails, so that a [`Shelf`](quotapass_log::Shelf) learns what they all need.
    ///
    /// # Errors
    /// [`ListError`] of the first that fails.
    pub fn refresh(
        &mut self,
        sources: &[&dyn Source],
        memory: &(impl LogMemory + ?Sized),
        now: UnixSeconds,
    ) -> Result<Vec<CurrentList>, ListError> {
        self.check_sources(sources)?;
        let pairs = self.0.iter_mut().zip(sources);
        let read: Vec<_> = pairs.map(|(reader, source)| reader.refresh(*source, memory, now).cloned()).collect();
        read.into_iter().collect()
    }

    /// Tests the lists against the member's own secret: a member who is struck learns it before composing a message, and
    /// sends nothing. If the reasons cannot be fetched, the refusal has none.
    ///
    /// # Errors
    /// [`ListError::Struck`] if the member is; [`ListError::Refused`] if a shelf lacks what explains the strike.
    pub fn test(&self, secret: &IdentitySecret, sources: &[&dyn Source]) -> Result<(), ListError> {
        self.check_sources(sources)?;
        let mut strikes = Vec::new();
        for (reader, source) in self.0.iter().zip(sources) {
            let posts = reader.posts_of(secret);
            if posts.is_empty() {
                continue;
            }
            match reader.explain(*source, &posts) {
                Ok(explained) => strikes.extend(explained),
                Err(ListError::Refused { origin, refusal }) if refusal.name() == "log_wanted" => {
                    return Err(ListError::Refused { origin, refusal });
                }
                Err(_) => strikes.extend(posts.into_iter().map(|post| reader.strike(post, None))),
            }
        }
        if strikes.is_empty() { Ok(()) } else { Err(Struck { strikes }.into()) }
    }

    /// Returns the logs, in the order of the lists.
    pub fn logs(&self) -> impl Iterator<Item = LogId> + '_ {
        self.0.iter().map(|reader| reader.settings.id())
    }

    fn check_sources(&self, sources: &[&dyn Source]) -> Result<(), ListError> {
        let (lists, sources) = (self.0.len(), sources.len());
        if lists == sources { Ok(()) } else { Err(ListError::Sources { lists, sources }) }
    }
}
