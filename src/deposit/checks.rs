//! Checks before a deposit sends money. They refuse a deposit with which nothing can be posted, and warn of what delays
//! the first message.

use std::fs;

use alloy_primitives::U256;
use anyhow::{Context as _, Result};
use quotapass_circuits::{
    membership::{Day, Levels},
    post::Post,
};
use quotapass_protocol::{DatedPolicy, Policy, UnixSeconds};
use quotapass_registry::{ContractRefusal, MemberStatus, RegistryError, RegistryInfo, RegistryReader, Tier};
use quotapass_wallet::{files::folder_of, ledger::Ledger};

use super::Depositor;
use crate::{
    keys::prover,
    output::note,
    time::{duration, moment, now},
};

/// Difference between the clock and the time of the newest block, in seconds, from which on a warning is shown.
const CLOCK_DIFFERENCE: u64 = 60;

/// How to correct a clock.
const SET_CLOCK: &str = "set the clock, for example with `timedatectl set-ntp true`";

impl Depositor<'_> {
    /// Checks everything that `quotapass post` needs. Approvals cost gas too, so this also comes before them.
    pub(super) fn check(&self, tier: Option<&Tier>) -> Result<()> {
        prover::<Post>(&self.context.keys()?)?;
        let files = self.context.ledger_files(&self.owner)?;
        if files.exists()? {
            Ledger::open(&files, &self.owner, self.device)?;
        }
        // For the copy of the registry and the member's index.
        let copy = self.context.copy_path(&self.owner.registry)?;
        let folder = folder_of(&copy);
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        self.check_commitment()?;
        let (now, newest) = (now()?, self.payer.registry.latest_block()?.timestamp);
        for warning in clock_warning(now, newest).into_iter().chain(self.scope_warnings(tier, now)) {
            note(format!("Warning: {warning}."));
        }
        Ok(())
    }

    /// Refuses a commitment whose secret is known. Warns if other wallets have deposited for it.
    fn check_commitment(&self) -> Result<()> {
        let (registry, commitment) = (&self.payer.registry, self.owner.commitment);
        if self.info.member_count >= Levels::STANDARD.capacity() {
            return Err(RegistryError::from(ContractRefusal::TreeFull).into());
        }
        let mut others = Vec::new();
        for index in registry.slots_of(commitment)? {
            let record = registry.record(index)?;
            if record.status == MemberStatus::Slashed {
                let commitment = U256::from_be_bytes(commitment.to_be_bytes());
                return Err(RegistryError::from(ContractRefusal::CommitmentSlashed(commitment)).into());
            }
            others.push(format!("member {index} by {}", record.depositor));
        }
        if !others.is_empty() {
            note(format!(
                "Warning: this account of the identity has deposits of other wallets: {}. If such a wallet is yours, \
                 you are a member already, and need no second deposit. If not, its owner copied your commitment, which \
                 does no harm; but your first message has to wait until the current epoch and the next are over.",
                others.join(", ")
            ));
        }
        Ok(())
    }

    fn scope_warnings(&self, tier: Option<&Tier>, now: UnixSeconds) -> Vec<String> {
        let scopes = self.context.config().in_force(now);
        if scopes.is_empty() {
            return vec![
                "no scope is configured, so this deposit is compared with no policy; copy the policy of your relay \
                 into the configuration first (`quotapass config init` writes an example)"
                    .into(),
            ];
        }
        scopes.iter().flat_map(|DatedPolicy { policy, .. }| policy_warnings(policy, tier, self.info, now)).collect()
    }
}

/// Says what keeps a deposit that is made now from posting in a scope, or delays it.
fn policy_warnings(policy: &Policy, tier: Option<&Tier>, info: &RegistryInfo, now: UnixSeconds) -> Vec<String> {
    let Policy { name, min_stake, min_age_days, .. } = policy;
    let mut warnings = Vec::new();
    if let Some(Tier { stake, .. }) = tier.filter(|tier| tier.stake < *min_stake) {
        let enough = info.tiers.iter().position(|tier| tier.stake >= *min_stake);
        let cure = enough.map_or_else(|| "no tier here has it".into(), |tier| format!("tier {tier} has it"));
        warnings.push(format!(
            "`{name}` asks for a stake of {min_stake}, and this tier has {stake}: messages there will be refused; \
             {cure}"
        ));
    }
    if *min_age_days > 0 {
        warnings.push(format!(
            "`{name}` asks for deposits that are {min_age_days} days old: the first message there can be sent from {} \
             on",
            moment(first_epoch(policy, now))
        ));
    }
    let exit_delay = u64::from(info.exit_delay);
    if exit_delay < policy.least_exit_delay() {
        warnings.push(format!(
            "relays refuse this registry for `{name}`: its members can withdraw after {}, and this policy needs {}",
            duration(exit_delay),
            duration(policy.least_exit_delay())
        ));
    }
    warnings
}

/// Returns when the first epoch begins whose requirement a deposit of today meets.
fn first_epoch(policy: &Policy, now: UnixSeconds) -> UnixSeconds {
    let day = Day::at(now).0.saturating_add(policy.min_age_days);
    let begins = UnixSeconds(u64::from(day) * 86_400);
    let epoch = policy.epoch_at(begins);
    if epoch.begins() < begins { epoch.ends() } else { begins }
}

/// Says if the clock and the chain differ. A message has the epoch of the clock, and relays compare it with their own.
fn clock_warning(now: UnixSeconds, newest: UnixSeconds) -> Option<String> {
    let apart = duration(now.abs_diff(newest));
    if newest > now + CLOCK_DIFFERENCE {
        Some(format!(
            "the clock of this device is {apart} behind the newest block, so messages would be refused; {SET_CLOCK}"
        ))
    } else if now > newest + CLOCK_DIFFERENCE {
        Some(format!(
            "the newest block is {apart} older than the clock of this device. If the chain makes blocks more often, \
             either the endpoint is behind, and another one helps; or the clock is wrong: {SET_CLOCK}"
        ))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use core::num::{NonZeroU16, NonZeroU32};

    use alloy_primitives::Address;
    use quotapass_registry::TokenInfo;

    use super::*;

    /// Noon of a day.
    const NOW: UnixSeconds = UnixSeconds(1_795_176_000);

    fn policy(epoch_seconds: u32, min_stake: u32, min_age_days: u16) -> Policy {
        Policy {
            name: "lobby".into(),
            epoch_seconds: NonZeroU32::new(epoch_seconds).unwrap(),
            limit_cap: NonZeroU16::MIN,
            min_stake,
            min_age_days,
            root_window: 3_600,
            max_clock_skew: 60,
            stake_levels: Vec::new(),
            moderation: None,
        }
    }

    fn info(exit_delay: u32) -> RegistryInfo {
        let tier = |stake| Tier { amount: U256::from(stake), stake, message_limit: 10 };
        RegistryInfo {
            token: TokenInfo { address: Address::ZERO, symbol: "T".into(), decimals: 18 },
            tiers: vec![tier(1), tier(10)],
            fee: U256::ZERO,
            gate: None,
            exit_delay,
            reward_bps: 0,
            treasury: Address::ZERO,
            verifier: Address::ZERO,
            member_count: 0,
            total_owed: U256::ZERO,
        }
    }

    #[test]
    fn a_scope_that_a_tier_cannot_serve_is_named_with_the_cure() {
        let info = info(604_800);
        let of = |policy: &Policy, tier: usize| policy_warnings(policy, info.tiers.get(tier), &info, NOW);
        assert!(of(&policy(3_600, 10, 0), 1).is_empty());
        let poor = of(&policy(3_600, 10, 0), 0);
        assert!(poor.len() == 1 && poor[0].ends_with("this tier has 1: messages there will be refused; tier 1 has it"));
        assert!(of(&policy(3_600, 11, 0), 1)[0].ends_with("no tier here has it"));
        // With a gate, the stake is not known before.
        assert!(policy_warnings(&policy(3_600, 11, 0), None, &info, NOW).is_empty());
        let short = policy_warnings(&policy(3_600, 0, 0), None, &self::info(7_200), NOW);
        assert!(short[0].starts_with("relays refuse this registry for `lobby`"), "{short:?}");
    }

    #[test]
    fn the_first_epoch_begins_when_the_deposit_is_old_enough() {
        let midnight = UnixSeconds(NOW.0 - NOW.0 % 86_400);
        assert_eq!(first_epoch(&policy(3_600, 0, 2), NOW), midnight + 2 * 86_400);
        // An epoch counts with the day on which it begins.
        let week = policy(7 * 86_400, 0, 1);
        let first = first_epoch(&week, NOW);
        assert!(first >= midnight + 86_400 && first.0.is_multiple_of(7 * 86_400));
        let text = policy_warnings(&policy(3_600, 0, 2), None, &info(604_800), NOW);
        assert!(text[0].ends_with("can be sent from 2026-11-22 00:00:00Z on"), "{text:?}");
    }

    #[test]
    fn a_clock_that_differs_from_the_chain_is_named_from_a_minute_on() {
        assert_eq!((clock_warning(NOW, NOW + 60), clock_warning(NOW + 60, NOW)), (None, None));
        assert!(clock_warning(NOW, NOW + 61).unwrap().contains("1m 1s behind the newest block"));
        assert!(clock_warning(NOW + 3_600, NOW).unwrap().contains("1h older than the clock"));
    }
}
