//! What a policy says about moderation.

use core::{fmt, num::NonZeroU16, str::FromStr};

use quotapass_circuits::moderation::{MAX_LISTS, MAX_SEGMENTS, segment_sizes};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::PolicyError;
use crate::formats::exact_digits;

/// The most entries of a list that a scope enforces.
const MAX_LIMIT: u16 = 1_024;
/// The most recipients of reports.
const MAX_RECIPIENTS: usize = 16;
/// The longest recipient in bytes. A recipient of age with a post-quantum key has about 2,000.
const MAX_RECIPIENT: usize = 4_096;

/// The identity of a moderation log: SHA-256 of its origin, a zero byte and the 32 bytes of its Ed25519 root key. In text
/// 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogIdentity(pub [u8; 32]);

/// Error: the text is not the identity of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the identity of a log has 64 lower-case hexadecimal digits")]
pub struct NotALogIdentity;

impl LogIdentity {
    /// Returns the first 8 bytes, which passes state.
    pub fn to_short_bytes(self) -> [u8; 8] {
        core::array::from_fn(|place| self.0[place])
    }
}

impl fmt::Display for LogIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LogIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogIdentity({self})")
    }
}

impl FromStr for LogIdentity {
    type Err = NotALogIdentity;

    fn from_str(text: &str) -> Result<Self, NotALogIdentity> {
        exact_digits(text).map(Self).ok_or(NotALogIdentity)
    }
}

impl Serialize for LogIdentity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LogIdentity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A list that a scope enforces: the strikes in force of a log that concern the scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyList {
    /// The log.
    pub log: LogIdentity,
    /// The most entries that are enforced, 1 to 1,024. If more are in force, the newest count.
    #[serde(default = "longest")]
    pub limit: u16,
}

fn longest() -> u16 {
    MAX_LIMIT
}

/// How a scope is moderated: public, and the same for all members, like the rest of its policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModerationPolicy {
    /// The lists, at most four. A pass has its records in this order.
    #[serde(default)]
    pub lists: Vec<PolicyList>,
    /// The time for which a version of a list is accepted after it was superseded, in seconds.
    #[serde(default = "half_an_hour")]
    pub list_window: u32,
    /// The time for which an accepted post can be reported, in days; 0 if the scope takes no reports.
    #[serde(default = "a_month")]
    pub report_days: u16,
    /// The number of reports at which a post is held until a moderator decides; none if reports alone hold nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hide_at: Option<NonZeroU16>,
    /// The recipients to whom the body of a report is encrypted, in the form of age (`age1...`). Without them a report
    /// has a reason and no comment.
    #[serde(default)]
    pub report_recipients: Vec<String>,
}

fn half_an_hour() -> u32 {
    1_800
}

fn a_month() -> u16 {
    30
}

impl Default for ModerationPolicy {
    /// Reports for 30 days, and no lists.
    fn default() -> Self {
        Self {
            lists: Vec::new(),
            list_window: half_an_hour(),
            report_days: a_month(),
            hide_at: None,
            report_recipients: Vec::new(),
        }
    }
}

impl ModerationPolicy {
    /// Checks that the values are consistent. `name` is the scope's, for errors.
    pub(super) fn validate(&self, name: &str) -> Result<(), PolicyError> {
        let name = || name.to_owned();
        if self.lists.len() > MAX_LISTS {
            return Err(PolicyError::Lists { name: name(), lists: self.lists.len() });
        }
        if let Some(list) = self.lists.iter().find(|list| !(1..=MAX_LIMIT).contains(&list.limit)) {
            return Err(PolicyError::ListLimit { name: name(), limit: list.limit });
        }
        for (at, list) in self.lists.iter().enumerate() {
            // Passes state the first bytes alone.
            let mut earlier = self.lists[..at].iter().map(|other| other.log.to_short_bytes());
            if earlier.any(|short| short == list.log.to_short_bytes()) {
                return Err(PolicyError::DuplicateList { name: name(), log: list.log });
            }
        }
        let records = self.most_records();
        if records > MAX_SEGMENTS {
            return Err(PolicyError::Records { name: name(), records });
        }
        if self.report_recipients.len() > MAX_RECIPIENTS {
            return Err(PolicyError::Recipients { name: name(), recipients: self.report_recipients.len() });
        }
        match self.report_recipients.iter().find(|recipient| !has_form_of_age(recipient)) {
            Some(recipient) => Err(PolicyError::Recipient { name: name(), recipient: recipient.clone() }),
            None => Ok(()),
        }
    }

    /// Returns the most records that a pass can need, with lists as long as their limits allow.
    fn most_records(&self) -> usize {
        let most = |list: &PolicyList| (0..=usize::from(list.limit)).map(|length| segment_sizes(length).len()).max();
        self.lists.iter().filter_map(most).sum()
    }
}

/// Returns whether a text has the form of a recipient of age: `age1`, then letters and digits of Bech32. The checksum is
/// verified by the program that encrypts.
fn has_form_of_age(text: &str) -> bool {
    let is_plain = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.len() <= MAX_RECIPIENT
        && text.strip_prefix("age1").is_some_and(|digits| digits.len() >= 32 && is_plain(digits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Policy, samples::policy};

    fn lists(limits: &[u16]) -> Vec<PolicyList> {
        let list = |(at, limit): (usize, &u16)| PolicyList { log: LogIdentity([at as u8; 32]), limit: *limit };
        limits.iter().enumerate().map(list).collect()
    }

    fn check(moderation: ModerationPolicy) -> Result<(), PolicyError> {
        Policy { moderation: Some(moderation), ..policy() }.validate()
    }

    #[test]
    fn lists_never_outgrow_a_pass() {
        let name = || "room".to_owned();
        let of = |limits: &[u16]| check(ModerationPolicy { lists: lists(limits), ..ModerationPolicy::default() });
        for fits in [&[][..], &[1_024], &[1], &[128, 128], &[32, 32, 32, 32], &[128, 32, 32], &[560, 16]] {
            assert_eq!(of(fits), Ok(()), "{fits:?}");
        }
        // With 64 entries in each, two lists of 128 need as many records as a pass has room for.
        for (limits, records) in [(&[128, 128, 16][..], 9), (&[1_024, 1], 9), (&[33, 32, 32, 32], 9), (&[1_024; 4], 32)]
        {
            assert_eq!(of(limits), Err(PolicyError::Records { name: name(), records }), "{limits:?}");
        }
        assert_eq!(of(&[16; 5]), Err(PolicyError::Lists { name: name(), lists: 5 }));
        for limit in [0, 1_025, u16::MAX] {
            assert_eq!(of(&[limit]), Err(PolicyError::ListLimit { name: name(), limit }));
        }
        // Passes name a list by 8 bytes: two logs that agree in them are one to a verifier.
        let mut twins = lists(&[16, 16]);
        twins[1].log = LogIdentity(core::array::from_fn(|at| u8::from(at >= 8)));
        let refused = check(ModerationPolicy { lists: twins.clone(), ..ModerationPolicy::default() });
        assert_eq!(refused, Err(PolicyError::DuplicateList { name: name(), log: twins[1].log }));
    }

    #[test]
    fn recipients_have_the_form_of_age() {
        let of = |recipients: &[String]| {
            check(ModerationPolicy { report_recipients: recipients.to_vec(), ..ModerationPolicy::default() })
        };
        let good = format!("age1{}", "q".repeat(58));
        assert_eq!(of(&[(); 16].map(|()| good.clone())), Ok(()));
        assert_eq!(
            of(&[(); 17].map(|()| good.clone())),
            Err(PolicyError::Recipients { name: "room".into(), recipients: 17 })
        );
        for wrong in [
            "",
            "age1",
            "ssh-ed25519 AAAA",
            &good.to_uppercase(),
            &good[..20],
            &format!("{good}\n"),
            "AGE-SECRET-KEY-1QQ",
        ] {
            let refused = of(&[good.clone(), wrong.to_owned()]);
            assert_eq!(refused, Err(PolicyError::Recipient { name: "room".into(), recipient: wrong.into() }));
        }
    }

    #[test]
    fn what_is_left_out_has_a_usual_value_and_nothing_else_is_read() {
        let read = |json: &str| serde_json::from_str::<ModerationPolicy>(json);
        assert_eq!(read("{}").unwrap(), ModerationPolicy::default());
        let digits = "ab".repeat(32);
        let lists = read(&format!(r#"{{"lists": [{{"log": "{digits}"}}]}}"#)).unwrap().lists;
        assert_eq!(lists, [PolicyList { log: LogIdentity([0xab; 32]), limit: 1_024 }]);
        assert_eq!(lists[0].log.to_short_bytes(), [0xab; 8]);
        for wrong in
            [r#"{"list": []}"#, r#"{"hide_at": 0}"#, r#"{"lists": [{"log": "ab"}]}"#, r#"{"report_days": 65536}"#]
        {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(digits.to_uppercase().parse::<LogIdentity>(), Err(NotALogIdentity));
    }
}
