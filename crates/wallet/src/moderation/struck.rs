//! What a struck member learns.

use core::{cell::RefCell, fmt};
use std::collections::BTreeMap;

use quotapass_circuits::moderation::Entry;
use quotapass_log::{
    Follower, Refusal, SignedLeaf, Source, SourceError, TileId, TileKind,
    moderation::{Body, Digest, Entry as LogEntry, EntryId, Ground, Reason, SaltedText, Strike, Until},
    read_entries,
};
use quotapass_protocol::{LogIdentity, UnixSeconds};
use quotapass_text::EndpointUrl;

/// Number of the newest bundles of a log that are fetched in any case: up to 4,096 entries. Only in a longer log the end of
/// the search tells how old a strike is.
const BUNDLES: u64 = 16;
/// Number of statements of reasons that are fetched together.
const TEXTS: usize = 8;

/// Error: the member is struck. The author of a listed post cannot prove that none of the listed posts is theirs, so that
/// no post would be accepted, and none is sent.
///
/// Only the wallet can know this. To learn the reasons it fetches all entries of the log, and with each statement of reasons
/// the seven others beside it in an order that does not depend on the member, so that the server does not learn which strike
/// is the member's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck {
    /// The strikes, at least one.
    pub strikes: Vec<OwnStrike>,
}

/// A strike of one of the member's own posts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnStrike {
    /// The origin of the log.
    pub origin: String,
    /// The log.
    pub log: LogIdentity,
    /// Relays that serve the log, which take an appeal.
    pub servers: Vec<EndpointUrl>,
    /// The struck post.
    pub post: Entry,
    /// What the log says about it; `None` if it could not be fetched.
    pub details: Option<StrikeDetails>,
}

/// What a log says about a strike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StrikeDetails {
    /// The place of the strike in the log.
    pub index: u64,
    /// Its identity, which an answer to an appeal names.
    pub id: EntryId,
    /// When it was made.
    pub at: UnixSeconds,
    /// The scope of the post.
    pub scope: String,
    /// The reason.
    pub reason: Reason,
    /// The rule that was broken.
    pub ground: Ground,
    /// The end.
    pub until: Until,
    /// The statement of reasons; `None` if it was erased or is not served.
    pub text: Option<String>,
    /// Whether a program found the post.
    pub automated_detection: bool,
    /// Whether a program decided.
    pub automated_decision: bool,
}

impl StrikeDetails {
    /// The name of the reason, as in the log.
    pub fn reason_name(&self) -> String {
        let name = serde_json::to_value(self.reason).ok();
        name.as_ref().and_then(|name| name.as_str()).unwrap_or("other").to_owned()
    }
}

impl fmt::Display for OwnStrike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nullifier = hex::encode(self.post.nullifier.to_be_bytes());
        let Some(details) = &self.details else {
            return write!(f, "`{}` has struck your post {nullifier}; its reasons cannot be fetched now", self.origin);
        };
        let StrikeDetails { id, scope, ground, until, text, .. } = details;
        write!(f, "`{}` has struck your post {nullifier} in `{scope}` (strike {id}) for ", self.origin)?;
        write!(f, "{} ({}), until {until}", details.reason_name(), ground.reference)?;
        match text {
            Some(text) => write!(f, ": {text}"),
            None => f.write_str("; the statement of reasons is not served any more"),
        }
    }
}

impl fmt::Display for Struck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("you cannot post here: ")?;
        for (place, strike) in self.strikes.iter().enumerate() {
            if place > 0 {
                f.write_str(". ")?;
            }
            strike.fmt(f)?;
        }
        let servers: Vec<_> = self.strikes.iter().flat_map(|strike| &strike.servers).map(ToString::to_string).collect();
        write!(f, ". You can appeal to {}, with a proof that the post is yours", servers.join(", "))
    }
}

impl core::error::Error for Struck {}

/// A source that fetches nothing twice.
struct Once<'a, S: ?Sized> {
    source: &'a S,
    fetched: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl<S: Source + ?Sized> Source for Once<'_, S> {
    fn fetch(&self, path: &str) -> Result<Vec<u8>, SourceError> {
        if let Some(bytes) = self.fetched.borrow().get(path) {
            return Ok(bytes.clone());
        }
        let bytes = self.source.fetch(path)?;
        self.fetched.borrow_mut().insert(path.into(), bytes.clone());
        Ok(bytes)
    }

    fn fetch_all(&self, paths: &[String]) -> Result<Vec<Vec<u8>>, SourceError> {
        let missing: Vec<_> = paths.iter().filter(|path| !self.fetched.borrow().contains_key(*path)).cloned().collect();
        let fetched = self.source.fetch_all(&missing)?;
        self.fetched.borrow_mut().extend(missing.into_iter().zip(fetched));
        paths.iter().map(|path| self.fetch(path)).collect()
    }
}

/// A strike where it stands in the log.
struct Found {
    index: u64,
    leaf: Vec<u8>,
    entry: LogEntry,
    strike: Strike,
}

/// Fetches the newest strike of each post, in the order of the posts. `listed` are all posts of the list.
pub(super) fn fetch(
    follower: &Follower,
    source: &(impl Source + ?Sized),
    listed: &[Entry],
    posts: &[Entry],
) -> Result<Vec<StrikeDetails>, Refusal> {
    let source = Once { source, fetched: RefCell::default() };
    let strikes = find(follower, &source, listed, posts)?;
    let texts = texts(&source, &strikes, posts)?;
    let of = |post: &Entry| -> Result<StrikeDetails, Refusal> {
        let Found { index, leaf, entry, strike } = strikes.get(post).ok_or(Refusal::Mismatch)?;
        // What was found is compared with the log: the search itself proves nothing.
        if follower.entry(&source, *index)? != *leaf {
            return Err(Refusal::Mismatch);
        }
        Ok(StrikeDetails {
            index: *index,
            id: entry.id,
            at: entry.at,
            scope: strike.scope.clone(),
            reason: strike.reason,
            ground: strike.ground.clone(),
            until: strike.until,
            text: texts.get(&strike.text).cloned(),
            automated_detection: strike.automated_detection,
            automated_decision: strike.automated_decision,
        })
    };
    posts.iter().map(of).collect()
}

/// Finds the newest strike of each listed post.
fn find(
    follower: &Follower,
    source: &impl Source,
    listed: &[Entry],
    posts: &[Entry],
) -> Result<BTreeMap<Entry, Found>, Refusal> {
    let size = follower.seen().map_or(0, |checkpoint| checkpoint.size);
    let tiles = |places: core::ops::Range<u64>| -> Vec<TileId> {
        places.rev().filter_map(|place| TileId::in_tree(TileKind::Entries, place, size)).collect()
    };
    let bundles = size.div_ceil(256);
    let newest = bundles.saturating_sub(BUNDLES);
    let mut found = BTreeMap::new();
    let mut read = |tiles: Vec<TileId>| -> Result<bool, Refusal> {
        let paths: Vec<_> = tiles.iter().map(ToString::to_string).collect();
        for ((tile, path), bytes) in tiles.iter().zip(&paths).zip(source.fetch_all(&paths)?) {
            let entries = read_entries(tile, &bytes)
                .map_err(|error| Refusal::Content { path: path.clone(), reason: error.to_string() })?;
            let newest_first = tile.range().rev().zip(entries.into_iter().rev());
            for (index, leaf) in newest_first {
                let Some((entry, strike)) = read_strike(&leaf) else { continue };
                let post = Entry { x: strike.entry.x, y: strike.entry.y, nullifier: strike.entry.nullifier };
                if listed.contains(&post) {
                    found.entry(post).or_insert(Found { index, leaf, entry, strike });
                }
            }
        }
        Ok(posts.iter().all(|post| found.contains_key(post)))
    };
    let mut is_complete = read(tiles(newest..bundles))?;
    for place in (0..newest).rev() {
        if is_complete {
            break;
        }
        is_complete = read(tiles(place..place + 1))?;
    }
    Ok(found)
}

/// Reads a leaf as a strike; `None` for other kinds. The caller compares it with the log before it is used.
fn read_strike(leaf: &[u8]) -> Option<(LogEntry, Strike)> {
    let entry = LogEntry::from_json(SignedLeaf::read(leaf).ok()?.json()).ok()?;
    match &entry.body {
        Body::Strike(strike) => {
            let strike = (**strike).clone();
            Some((entry, strike))
        }
        _ => None,
    }
}

/// Fetches the statements of reasons of these posts, each with the others of its group. What is not served is left out.
fn texts(
    source: &impl Source,
    strikes: &BTreeMap<Entry, Found>,
    posts: &[Entry],
) -> Result<BTreeMap<Digest, String>, Refusal> {
    let mut all: Vec<_> = strikes.values().map(|found| found.strike.text).collect();
    all.sort_unstable();
    all.dedup();
    let own: Vec<_> = posts.iter().filter_map(|post| strikes.get(post)).map(|found| found.strike.text).collect();
    let mut texts = BTreeMap::new();
    let mut wanted = None;
    for digest in all.chunks(TEXTS).filter(|group| own.iter().any(|own| group.contains(own))).flatten() {
        match source.fetch(&format!("text/{digest}")) {
            Ok(bytes) => {
                let text = SaltedText::from_bytes(&bytes).ok().filter(|text| text.digest() == *digest);
                texts.extend(text.map(|text| (*digest, text.text().to_owned())));
            }
            Err(SourceError::Wanted(path)) => wanted = Some(path),
            Err(_) => {}
        }
    }
    match wanted {
        Some(path) => Err(SourceError::Wanted(path).into()),
        None => Ok(texts),
    }
}
