//! Scopes of reports.

use core::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
    str::FromStr,
};

use quotapass_circuits::share::Nullifier;

use super::Policy;
use crate::formats::exact_digits;

/// The length of an epoch in scopes of reports, in seconds. The only epoch of this length that has begun has the number
/// zero, and ends in the year 2106.
pub const REPORT_EPOCH: NonZeroU32 = NonZeroU32::MAX;

/// How the names of these scopes begin.
pub(super) const PREFIX: &str = "report/";

/// The scope of the reports of one post, named `report/<scope>/<nullifier>`: the scope that the post was made in, and the
/// post's nullifier in 64 lower-case hexadecimal digits.
///
/// A report is a post in this scope: one message an epoch, an epoch that does not end, and the reported nullifier as the
/// message. A second report of one member therefore has the nullifier *and* the share of the first: it is a replay, and
/// never an offence. It cannot be counted twice either, because a member has one nullifier in this scope.
///
/// ```
/// use quotapass_protocol::ReportScope;
///
/// let name = format!("report/room/kitchen/{}", "0".repeat(64));
/// let report: ReportScope = name.parse()?;
/// assert_eq!((report.scope.as_str(), report.to_string()), ("room/kitchen", name));
/// # Ok::<(), quotapass_protocol::NotAReportScope>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReportScope {
    /// The name of the scope of the reported post.
    pub scope: String,
    /// The nullifier of the reported post.
    pub nullifier: Nullifier,
}

/// Error: the text is not the name of a scope of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a scope of reports is report/, a scope, a slash and a nullifier in 64 lower-case hexadecimal digits"
)]
pub struct NotAReportScope;

impl ReportScope {
    /// Returns the message of each report: the 32 bytes of the nullifier, big-endian.
    ///
    /// A relay hashes this message, and no other that a sender may send. A second message under the one message id of
    /// this scope would give away the member's secret.
    pub fn message(&self) -> [u8; 32] {
        self.nullifier.to_be_bytes()
    }
}

impl fmt::Display for ReportScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}/{}", self.scope, hex::encode(self.nullifier.to_be_bytes()))
    }
}

impl FromStr for ReportScope {
    type Err = NotAReportScope;

    fn from_str(text: &str) -> Result<Self, NotAReportScope> {
        let (scope, digits) =
            text.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('/')).ok_or(NotAReportScope)?;
        let bytes = exact_digits(digits).filter(|_| !scope.is_empty()).ok_or(NotAReportScope)?;
        let nullifier = Nullifier::from_be_bytes(&bytes).map_err(|_| NotAReportScope)?;
        Ok(Self { scope: scope.into(), nullifier })
    }
}

impl Policy {
    /// Returns the policy of the reports of a post of this scope: one message, an epoch that does not end, the lowest
    /// stake level, and the scope's age, windows and lists.
    pub fn for_report(&self, nullifier: Nullifier) -> Self {
        let report = ReportScope { scope: self.name.clone(), nullifier };
        self.for_reports(report.to_string())
    }

    /// Returns the policy of reports with a name.
    pub(super) fn for_reports(&self, name: String) -> Self {
        let Self { min_stake, min_age_days, root_window, max_clock_skew, .. } = *self;
        Self {
            name,
            epoch_seconds: REPORT_EPOCH,
            limit_cap: NonZeroU16::MIN,
            min_stake,
            min_age_days,
            root_window,
            max_clock_skew,
            stake_levels: Vec::new(),
            moderation: self.moderation.clone(),
        }
    }

    /// Returns whether this is the policy of a scope of reports.
    pub fn is_for_reports(&self) -> bool {
        self.epoch_seconds == REPORT_EPOCH
    }
}
