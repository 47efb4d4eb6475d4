//! The cases of convicted members.

use quotapass_circuits::identity::IdentityCommitment;
use quotapass_protocol::{LogError, UnixSeconds};
use redis::{Value, cmd};

use super::{Log, ValkeyLog, bytes_of, script, servers::Kind};
use crate::{Case, Settlement, SlashClaims, WorkerId};

/// Maximum number of attempts to replace a case that others write at the same time.
const CASE_ATTEMPTS: u32 = 16;

/// Writes a case if the stored case is still the one that was read, or is already the new one.
const REPLACE: &str = "local known = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if known ~= ARGV[2] and known ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1";

impl Log {
    async fn case(&self, commitment: &[u8]) -> Result<Option<(Vec<u8>, Case)>, LogError> {
        let mut get = cmd("HGET");
        get.arg(&self.keys.cases).arg(commitment);
        let Some(bytes) = bytes_of(self.one(&self.keys.cases, get, Kind::Read).await?)? else { return Ok(None) };
        let case = Case::from_json(&bytes)?;
        Ok(Some((bytes, case)))
    }

    /// Replaces a case if `may_be` allows it, and returns whether it was replaced.
    async fn replace(
        &self,
        commitment: IdentityCommitment,
        next: Case,
        may_be: impl Fn(&Case) -> bool,
    ) -> Result<bool, LogError> {
        let commitment = commitment.to_be_bytes();
        for _ in 0..CASE_ATTEMPTS {
            let known = self.case(&commitment).await?;
            if known.as_ref().is_some_and(|(_, case)| !may_be(case)) {
                return Ok(false);
            }
            let mut replace = script(REPLACE, &[&self.keys.cases]);
            replace.arg(&commitment[..]).arg(known.map_or_else(Vec::new, |(bytes, _)| bytes)).arg(next.to_json()?);
            if self.one(&self.keys.cases, replace, Kind::Write).await? == Value::Int(1) {
                return Ok(true);
            }
        }
        Err(LogError::Unavailable("other relays write the case at the same time".into()))
    }
}

impl SlashClaims for ValkeyLog {
    fn claim(
        &self,
        commitment: IdentityCommitment,
        worker: &WorkerId,
        now: UnixSeconds,
        until: UnixSeconds,
    ) -> Result<bool, LogError> {
        let worker = worker.clone();
        self.run(move |log| async move {
            let claimed = Case::Claimed { worker: worker.clone(), until };
            log.replace(commitment, claimed, |case| case.is_free_for(&worker, now, until)).await
        })
    }

    fn settle(&self, commitment: IdentityCommitment, settlement: &Settlement) -> Result<(), LogError> {
        let settled = Case::Settled(settlement.clone());
        self.run(move |log| async move {
            log.replace(commitment, settled, |case| matches!(case, Case::Claimed { .. })).await.map(drop)
        })
    }

    fn settlement(&self, commitment: IdentityCommitment) -> Result<Option<Settlement>, LogError> {
        self.run(move |log| async move {
            Ok(log.case(&commitment.to_be_bytes()).await?.and_then(|(_, case)| case.into_settlement()))
        })
    }
}
