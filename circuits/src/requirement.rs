//! What a scope requires of its members.

use crate::membership::{Day, Membership};

/// Stake and age that a scope asks for; the scope's own, published, and the same for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Requirement {
    /// Least stake, in the registry's stake units.
    pub min_stake: u32,
    /// Latest day of the deposit.
    pub since_max: Day,
}

/// A member that cannot prove what the scope asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ineligible {
    /// The secret is not the member's.
    #[error("the identity secret does not belong to this member's commitment")]
    NotTheMember,
    /// The stake is below the scope's minimum.
    #[error("the scope asks for a stake of {required} units, the deposit has {stake}")]
    StakeTooLow {
        /// The member's stake.
        stake: u32,
        /// The scope's minimum.
        required: u32,
    },
    /// The deposit is too young for the scope.
    #[error("the scope asks for a deposit made on day {} or before, this one is of day {}", required.0, since.0)]
    TooYoung {
        /// Day of the deposit.
        since: Day,
        /// The latest day allowed.
        required: Day,
    },
}

impl Requirement {
    /// Whether the secret is the member's and the member meets this.
    ///
    /// # Errors
    /// [`Ineligible`] says what is missing.
    pub fn check(&self, Membership { secret, member, .. }: Membership<'_>) -> Result<(), Ineligible> {
        let terms = &member.terms;
        if secret.commitment() != member.commitment {
            return Err(Ineligible::NotTheMember);
        }
        if terms.stake < self.min_stake {
            return Err(Ineligible::StakeTooLow { stake: terms.stake, required: self.min_stake });
        }
        if terms.since > self.since_max {
            return Err(Ineligible::TooYoung { since: terms.since, required: self.since_max });
        }
        Ok(())
    }
}
