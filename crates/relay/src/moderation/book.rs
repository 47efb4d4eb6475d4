//! The book of accepted posts of scopes with moderation: what can be reported, deleted and struck.
//!
//! A post is written here before its nullifier is recorded, so that a crash between both leaves no accepted post that
//! cannot be reported. A post that is in the book and was never recorded is not accepted: the nullifier log decides, as
//! long as it has the epoch.

use core::num::NonZeroU32;

use quotapass_circuits::{
    moderation::{ENTRY_BYTES, Entry as PostEntry},
    share::Nullifier,
    signal::{Epoch, Scope},
};
use quotapass_protocol::{LogError, UnixSeconds};

use super::{Swap, keys};
use crate::{LogEpoch, ModerationStore, RelayStore};

/// The version of the records.
const VERSION: u8 = 1;
/// Maximum number of posts with one nullifier. Two are two halves of a double post, whose author is slashed.
const MAX_POSTS: usize = 2;
/// Maximum number of attempts to change a record that other relays change at the same time.
const ATTEMPTS: usize = 16;

/// A post that was accepted in a scope with moderation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedPost {
    /// The name of the scope.
    pub scope: String,
    /// The epoch.
    pub epoch: Epoch,
    /// The entry.
    pub entry: PostEntry,
    /// The pass.
    pub pass: Vec<u8>,
    /// The time at which the relay accepted it.
    pub accepted_at: UnixSeconds,
}

impl AcceptedPost {
    /// Appends the bytes: length of the scope u16, scope, epoch's length u32, its number u64, time u64, entry 96, length
    /// of the pass u32, pass.
    fn write(&self, bytes: &mut Vec<u8>) -> Result<(), LogError> {
        let unfit = |_| LogError::Unfit("a scope or a pass is too long to be kept".into());
        bytes.extend(u16::try_from(self.scope.len()).map_err(unfit)?.to_be_bytes());
        bytes.extend(self.scope.as_bytes());
        bytes.extend(self.epoch.seconds().get().to_be_bytes());
        bytes.extend(self.epoch.number().to_be_bytes());
        bytes.extend(self.accepted_at.0.to_be_bytes());
        bytes.extend(self.entry.to_bytes());
        bytes.extend(u32::try_from(self.pass.len()).map_err(unfit)?.to_be_bytes());
        bytes.extend(&self.pass);
        Ok(())
    }

    fn read(bytes: &mut &[u8]) -> Option<Self> {
        let length = u16::from_be_bytes(take(bytes)?);
        let scope = core::str::from_utf8(cut(bytes, length.into())?).ok()?.to_owned();
        let seconds = NonZeroU32::new(u32::from_be_bytes(take(bytes)?))?;
        let epoch = Epoch::new(seconds, u64::from_be_bytes(take(bytes)?));
        let accepted_at = UnixSeconds(u64::from_be_bytes(take(bytes)?));
        let entry = PostEntry::from_bytes(&take::<ENTRY_BYTES>(bytes)?).ok()?;
        let length = u32::from_be_bytes(take(bytes)?);
        let pass = cut(bytes, usize::try_from(length).ok()?)?.to_vec();
        Some(Self { scope, epoch, entry, pass, accepted_at })
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

fn cut<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn encode(posts: &[AcceptedPost]) -> Result<Vec<u8>, LogError> {
    let mut bytes = vec![VERSION];
    posts.iter().try_for_each(|post| post.write(&mut bytes))?;
    Ok(bytes)
}

fn decode(bytes: &[u8]) -> Result<Vec<AcceptedPost>, LogError> {
    let (version, mut rest) = bytes.split_first().ok_or(LogError::Damaged)?;
    if *version != VERSION {
        return Err(LogError::Version(*version));
    }
    let mut posts = Vec::new();
    while !rest.is_empty() {
        posts.push(AcceptedPost::read(&mut rest).ok_or(LogError::Damaged)?);
    }
    Ok(posts)
}

/// Writes posts whose proofs verified, with the time until which each is kept; all in one write, except for nullifiers
/// that are in the book with another share.
pub(super) fn write_all(
    store: &dyn ModerationStore,
    posts: &[(AcceptedPost, UnixSeconds)],
) -> Vec<Result<(), LogError>> {
    let create = |(post, until): &(AcceptedPost, UnixSeconds)| {
        let value = encode(core::slice::from_ref(post))?;
        Ok(Swap::create(keys::post(post.entry.nullifier), value, Some(*until)))
    };
    let swaps: Vec<Result<Swap, LogError>> = posts.iter().map(create).collect();
    let sent: Vec<Swap> = swaps.iter().flatten().cloned().collect();
    let mut answers = store.swap_all(&sent).into_iter();
    let written = |(post, swap): (&(AcceptedPost, UnixSeconds), Result<Swap, LogError>)| {
        swap?;
        match answers.next().unwrap_or_else(|| Err(LogError::Unavailable("it gave no answer for a post".into())))? {
            true => Ok(()),
            false => add(store, post),
        }
    };
    posts.iter().zip(swaps).map(written).collect()
}

/// Adds a post to the one with the same nullifier, unless it is the same post.
fn add(store: &dyn ModerationStore, (post, until): &(AcceptedPost, UnixSeconds)) -> Result<(), LogError> {
    let key = keys::post(post.entry.nullifier);
    for _ in 0..ATTEMPTS {
        let known = store.read(&key)?;
        let mut posts = known.as_deref().map(decode).transpose()?.unwrap_or_default();
        if posts.iter().any(|other| other.entry == post.entry) {
            return Ok(());
        }
        if posts.len() >= MAX_POSTS {
            posts.remove(0);
        }
        posts.push(post.clone());
        let swap = Swap { key: key.clone(), expected: known, new: Some(encode(&posts)?), keep_until: Some(*until) };
        if store.swap(&swap)? {
            return Ok(());
        }
    }
    Err(LogError::Unavailable("other relays write the same post at the same time".into()))
}

/// Takes out the second half of a double post, which was not accepted. The first half stays.
pub(super) fn forget(store: &dyn ModerationStore, post: &AcceptedPost, until: UnixSeconds) -> Result<(), LogError> {
    let key = keys::post(post.entry.nullifier);
    for _ in 0..ATTEMPTS {
        let known = store.read(&key)?;
        let mut posts = known.as_deref().map(decode).transpose()?.unwrap_or_default();
        posts.retain(|other| other.entry != post.entry);
        if posts.is_empty() {
            return Ok(());
        }
        let swap = Swap { key: key.clone(), expected: known, new: Some(encode(&posts)?), keep_until: Some(until) };
        if store.swap(&swap)? {
            return Ok(());
        }
    }
    Ok(())
}

/// Returns the accepted post with a nullifier. `scope` hashes the name of a scope.
pub(super) fn read(
    store: &dyn RelayStore,
    nullifier: Nullifier,
    scope: impl Fn(&str) -> Scope,
    now: UnixSeconds,
) -> Result<Option<AcceptedPost>, LogError> {
    let Some(bytes) = store.moderation().read(&keys::post(nullifier))? else { return Ok(None) };
    let mut posts = decode(&bytes)?;
    let Some(last) = posts.last() else { return Err(LogError::Damaged) };
    let epoch = LogEpoch::new(scope(&last.scope), last.epoch);
    let recorded = if epoch.keep_until() <= now { Err(LogError::Expired) } else { store.lookup(&epoch, nullifier) };
    match recorded {
        Ok(None) => Ok(None),
        Ok(Some(recorded)) => {
            let share = recorded.share;
            Ok(posts.into_iter().find(|post| post.entry.x == share.x && post.entry.y == share.y))
        }
        // The log has dropped the epoch. An earlier post with this nullifier was in the book first, and was recorded by no
        // relay: otherwise the later one would be a double post, and its author slashed.
        Err(LogError::Expired) => Ok(posts.pop()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn post(scope: &str, pass: Vec<u8>) -> AcceptedPost {
        let epoch = Epoch::new(NonZeroU32::new(600).unwrap(), 7);
        AcceptedPost { scope: scope.into(), epoch, entry: PostEntry::NEUTRAL, pass, accepted_at: UnixSeconds(9) }
    }

    proptest! {
        #[test]
        fn posts_return_as_they_were_written(
            scopes in prop::collection::vec("[a-zé/]{0,40}", 1..3),
            pass in prop::collection::vec(any::<u8>(), 0..1_500),
        ) {
            let posts: Vec<_> = scopes.iter().map(|scope| post(scope, pass.clone())).collect();
            let bytes = encode(&posts).unwrap();
            prop_assert_eq!(decode(&bytes).unwrap(), posts);
        }

        #[test]
        fn other_bytes_are_refused_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            match (bytes.first(), decode(&bytes)) {
                (Some(&VERSION), Ok(posts)) => prop_assert_eq!(&encode(&posts).unwrap(), &bytes),
                (Some(&VERSION) | None, result) => prop_assert_eq!(result, Err(LogError::Damaged)),
                (Some(version), result) => prop_assert_eq!(result, Err(LogError::Version(*version))),
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_damaged() {
        let bytes = encode(&[post("room", vec![1; 246])]).unwrap();
        for end in 2..bytes.len() {
            assert_eq!(decode(&bytes[..end]), Err(LogError::Damaged), "{end}");
        }
        assert_eq!(decode(&[&bytes[..], &[0]].concat()), Err(LogError::Damaged));
    }
}
