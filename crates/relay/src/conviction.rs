//! The evidence of a double post as a log keeps it.

use quotapass_circuits::identity::IdentitySecret;
use quotapass_protocol::Evidence;

use crate::log::Fields;

/// Stored evidence, with its time and optional fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conviction {
    /// The two shares.
    pub evidence: Evidence,
    /// The time at which a relay first had both shares, in Unix seconds.
    pub at: u64,
    /// Optional fields, which the log keeps as they are.
    pub fields: Fields,
}

impl Conviction {
    /// Creates a conviction at Unix second `at`, without optional fields.
    pub fn new(evidence: Evidence, at: u64) -> Self {
        Self { evidence, at, fields: Fields::new() }
    }

    /// Recovers the secret, like [`Evidence::secret`].
    pub fn secret(&self) -> Option<IdentitySecret> {
        self.evidence.secret()
    }
}
