//! A cache of badges whose proof verified, so that a repeated badge costs no pairing.

use core::num::NonZeroUsize;

use lru::LruCache;
use parking_lot::Mutex;
use quotapass_circuits::signal::Scope;
use quotapass_protocol::Verdict;
use sha2::{Digest, Sha256};

/// The capacity of the cache in badges, about 100 bytes each.
const CAPACITY: NonZeroUsize = match NonZeroUsize::new(65_536) {
    Some(capacity) => capacity,
    None => NonZeroUsize::MIN,
};

/// The most recently verified badges, by a hash of the scope and all bytes of the pass.
///
/// Attack prevented: a badge is public, and an attacker who resends one makes the relay compute a pairing each time. A
/// verified proof stays valid, so only this result is cached: policy, root, slashed members and restrictions are
/// checked each time. Invalid badges are not cached, because their number is unlimited.
pub(crate) struct VerifiedBadges(Mutex<LruCache<Hash, ()>>);

type Hash = [u8; 32];

impl Default for VerifiedBadges {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }
}

impl VerifiedBadges {
    /// Verifies a badge unless it was verified before.
    ///
    /// # Errors
    /// The error of `verify`; the badge is then not cached.
    pub(super) fn verify_once(
        &self,
        scope: Scope,
        pass: &[u8],
        verify: impl FnOnce() -> Result<(), Verdict>,
    ) -> Result<(), Verdict> {
        let hash = hash_of(scope, pass);
        if self.0.lock().get(&hash).is_some() {
            return Ok(());
        }
        verify()?;
        self.0.lock().put(hash, ());
        Ok(())
    }
}

fn hash_of(scope: Scope, pass: &[u8]) -> Hash {
    // The scope has a fixed length, so no other pair of scope and pass has these bytes.
    Sha256::new().chain_update(scope.to_be_bytes()).chain_update(pass).finalize().into()
}

impl core::fmt::Debug for VerifiedBadges {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "VerifiedBadges({})", self.0.lock().len())
    }
}

#[cfg(test)]
mod tests {
    use quotapass_circuits::registry_id::RegistryId;

    use super::*;

    #[test]
    fn only_what_verified_is_remembered_and_only_for_its_scope_and_bytes() {
        let scope = |name| Scope::new(&RegistryId { chain_id: 1, address: [1; 20] }, name);
        let badges = VerifiedBadges::default();
        let mut pairings = 0;
        let mut ask = |name, pass: &[u8], is_valid: bool| {
            let before = pairings;
            let verdict = badges.verify_once(scope(name), pass, || {
                pairings += 1;
                if is_valid { Ok(()) } else { Err(Verdict::InvalidProof) }
            });
            (verdict, pairings - before)
        };
        assert_eq!(ask("room", b"forged", false), (Err(Verdict::InvalidProof), 1));
        assert_eq!(ask("room", b"forged", false), (Err(Verdict::InvalidProof), 1));
        assert_eq!(ask("room", b"good", true), (Ok(()), 1));
        assert_eq!(ask("room", b"good", true), (Ok(()), 0));
        assert_eq!(ask("another room", b"good", true), (Ok(()), 1));
        assert_eq!(ask("room", b"goods", false), (Err(Verdict::InvalidProof), 1));
        // Many other badges push it out, and the cache does not exceed its capacity.
        for number in 0..CAPACITY.get() as u64 {
            badges.verify_once(scope("room"), &number.to_be_bytes(), || Ok(())).unwrap();
        }
        assert_eq!(format!("{badges:?}"), "VerifiedBadges(65536)");
        assert_eq!(ask("room", b"good", true), (Ok(()), 1));
    }
}
