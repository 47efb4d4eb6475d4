//! Arguments from JavaScript.

use core::str::FromStr;

use quotapass_circuits::{
    field::FieldError,
    identity::IdentityCommitment,
    membership::{Day, Member, Root, Terms},
    registry_id::RegistryId,
};
use quotapass_protocol::{Policy, UnixSeconds};
use quotapass_text::EvmAddress;
use quotapass_wallet::BoundPolicy;
use serde::Deserialize;

use crate::error::Failure;

/// The time of every `Date` is at most this number of seconds.
const LATEST: f64 = 8.64e12;

/// A registry. Its chain id is in decimal digits, because it may exceed the range of a JavaScript number.
#[derive(Deserialize)]
struct RegistryArgument {
    chain_id: String,
    address: String,
}

#[derive(Deserialize)]
struct PolicyArgument {
    registry: RegistryArgument,
    /// The policy as it is listed: under the room's own name, or under a pattern.
    policy: Policy,
    /// The scope that a relay states for it, if the policy comes from a relay.
    scope: Option<String>,
    /// The name of the room.
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MemberArgument {
    commitment: String,
    stake: u32,
    message_limit: u16,
    since: u16,
}

impl RegistryArgument {
    fn read(self) -> Result<RegistryId, Failure> {
        let chain_id = self.chain_id.parse();
        let chain_id = chain_id.map_err(|_| Failure::argument("the chain id is not a whole number below 2^64"))?;
        let address = EvmAddress::from_prefixed(&self.address);
        let EvmAddress(address) = address.map_err(|error| {
            Failure::argument(format!("the registry's address `{}` is not valid: {error}", self.address))
        })?;
        Ok(RegistryId { chain_id, address })
    }
}

/// Parses JSON; `what` names it in the error.
pub(crate) fn json<'a, T: Deserialize<'a>>(what: &str, text: &'a str) -> Result<T, Failure> {
    serde_json::from_str(text).map_err(|error| Failure::argument(format!("the {what} is not valid: {error}")))
}

/// Parses a registry.
pub(crate) fn registry(text: &str) -> Result<RegistryId, Failure> {
    json::<RegistryArgument>("registry", text)?.read()
}

/// Parses a registry and a policy, and the scope that a relay states for them, if any.
pub(crate) fn policy(room: &str) -> Result<BoundPolicy, Failure> {
    let PolicyArgument { registry, policy, scope, name } = json("room", room)?;
    let is_pattern = policy.name != name;
    let bound = BoundPolicy::new(registry.read()?, policy)?;
    let bound = match scope {
        Some(stated) => bound.stated_as(field("scope", &stated)?)?,
        None => bound,
    };
    if is_pattern { Ok(bound.for_scope(&name)?) } else { Ok(bound) }
}

/// Parses a registry and a policy, for passes of a stake level; the lowest if none is given.
pub(crate) fn policy_at(room: &str, stake: Option<u32>) -> Result<BoundPolicy, Failure> {
    let policy = policy(room)?;
    match stake {
        Some(level) => Ok(policy.at_level(level)?),
        None => Ok(policy),
    }
}

/// Parses members in the order of their deposits, `None` for a removed one.
pub(crate) fn members(text: &str) -> Result<Vec<Option<Member>>, Failure> {
    let members: Vec<Option<MemberArgument>> = json("list of members", text)?;
    let member = |MemberArgument { commitment, stake, message_limit, since }| {
        let terms = Terms::new(stake, message_limit, Day(since))?;
        Ok(Member { commitment: field("commitment", &commitment)?, terms })
    };
    members.into_iter().map(|slot| slot.map(member).transpose()).collect()
}

/// Parses a field element in hexadecimal digits.
pub(crate) fn field<T: FromStr<Err = FieldError>>(what: &'static str, text: &str) -> Result<T, Failure> {
    text.parse().map_err(|reason| Failure::Field { what, reason })
}

/// Parses roots.
pub(crate) fn roots(texts: &[String]) -> Result<Vec<Root>, Failure> {
    texts.iter().map(|text| field("root", text)).collect()
}

/// A commitment.
pub(crate) fn commitment(text: &str) -> Result<IdentityCommitment, Failure> {
    field("commitment", text)
}

/// Converts to an integer in range; JavaScript has only one number type.
pub(crate) fn whole<T: TryFrom<u64>>(what: &str, number: f64) -> Result<T, Failure> {
    let refuse = || Failure::argument(format!("the {what} is not a whole number in its range: {number}"));
    if number.fract() != 0.0 || !(0.0..=LATEST).contains(&number) {
        return Err(refuse());
    }
    T::try_from(number as u64).map_err(|_| refuse())
}

/// Converts a time in Unix seconds.
pub(crate) fn moment(seconds: f64) -> Result<UnixSeconds, Failure> {
    whole("time", seconds).map(UnixSeconds)
}
