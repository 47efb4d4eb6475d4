//! The requirement of a scope on its members.

use crate::membership::{Day, Membership};

/// Stake and age that a scope requires. Each scope publishes its requirement, which is the same for all members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Requirement {
    /// Minimum stake, in the registry's stake units.
    pub min_stake: u32,
    /// Latest day of the deposit.
    pub since_max: Day,
}

/// Reasons why a member does not meet a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Ineligible {
    /// The secret is not the member's.
    #[error("the identity secret does not belong to this member's commitment")]
    NotTheMember,
    /// The stake is below the scope's minimum.
    #[error("the scope requires a stake of {required} units, but the deposit has {stake}")]
    StakeTooLow {
        /// The member's stake.
        stake: u32,
        /// The scope's minimum.
        required: u32,
    },
    /// The deposit is too young for the scope.
    #[error("the scope requires a deposit made on day {} or earlier, but this one is of day {}", required.0, since.0)]
    TooYoung {
        /// Day of the deposit.
        since: Day,
        /// The latest day allowed.
        required: Day,
    },
}

impl Requirement {
    /// Checks that the secret is the member's, and that the member meets the requirement.
    ///
    /// # Errors
    /// [`Ineligible`] names the check that fails.
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
