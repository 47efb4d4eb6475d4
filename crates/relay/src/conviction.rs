//! The evidence of a double post as a log keeps it.

use quotapass_circuits::{identity::IdentitySecret, share::Nullifier};
use quotapass_protocol::{Evidence, LogError, UnixSeconds};

use crate::{NullifierLog, log::Fields};

/// Stored evidence, with its time and optional fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conviction {
    /// The two shares.
    pub evidence: Evidence,
    /// The time at which a relay first had both shares.
    pub at: UnixSeconds,
    /// Optional fields, which the log keeps as they are.
    pub fields: Fields,
}

impl Conviction {
    /// Creates a conviction at time `at`, without optional fields.
    pub fn new(evidence: Evidence, at: UnixSeconds) -> Self {
        Self { evidence, at, fields: Fields::new() }
    }

    /// Recovers the secret, like [`Evidence::secret`].
    pub fn secret(&self) -> Option<IdentitySecret> {
        self.evidence.secret()
    }
}

/// A reader's position in the convictions of a log.
///
/// A server that replaces a lost one may lack the latest convictions, and later ones then take their positions. The reader
/// therefore remembers the last conviction it read. If the log has another one in its place, or none, the reader begins
/// again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ConvictionPosition {
    read: u64,
    last: Option<Nullifier>,
}

impl ConvictionPosition {
    /// Reads the convictions that follow, or all if the reader must begin again, and the position after them. A reader may
    /// therefore get a conviction a second time.
    ///
    /// # Errors
    /// [`LogError`].
    pub(crate) fn read_on<L: NullifierLog + ?Sized>(self, log: &L) -> Result<(Self, Vec<Conviction>), LogError> {
        let mut convictions = log.convictions(self.read.saturating_sub(1))?;
        let mut position = Self::default();
        if let Some(last) = self.last {
            if convictions.first().is_some_and(|first| first.evidence.nullifier == last) {
                convictions.remove(0);
                position = self;
            } else {
                convictions = log.convictions(0)?;
            }
        }
        position.read += convictions.len() as u64;
        position.last = convictions.last().map(|last| last.evidence.nullifier).or(position.last);
        Ok((position, convictions))
    }
}
