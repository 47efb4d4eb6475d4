//! Reasons why nothing was done.

use quotapass_protocol::{
    LogError, UnixSeconds, Verdict,
    moderation::{AuthorRequestError, ReportError},
};

/// Reasons why a report, an action or a decision is refused. Nothing was recorded then.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModerationError {
    /// The store fails.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The relay has no key to verify authors with.
    #[error("this relay verifies no authors; ask its operator to install the key of `author`")]
    NoKey,
    /// The scope takes no reports, or the relay does not carry it.
    #[error("the scope `{0}` takes no reports here; see `moderation` in /v1/policy")]
    NoReports(String),
    /// The relay has not accepted this post, or too long ago.
    #[error("this relay knows no such post; ask the relay that accepted it, within the scope's `report_days`")]
    UnknownPost,
    /// A report is reported.
    #[error("a report cannot be reported; a false one can be struck by a moderator")]
    Report,
    /// The body of a report is not what the scope takes.
    #[error("{0}")]
    Body(&'static str),
    /// The request states no report.
    #[error(transparent)]
    ReportRequest(#[from] ReportError),
    /// The request states no action.
    #[error(transparent)]
    AuthorRequest(#[from] AuthorRequestError),
    /// The stated time is not the relay's.
    #[error("the action was made at {stated}, and here it is {now}; set the clock, and make the action again")]
    Clock {
        /// The stated time.
        stated: UnixSeconds,
        /// The relay's time.
        now: UnixSeconds,
    },
    /// The action is not later than the last one that was accepted.
    #[error("an action of {0} was accepted for this post; make a later one")]
    Superseded(UnixSeconds),
    /// No strike of the post is in force.
    #[error("no strike of this post is in force in the log of this relay; ask the log that struck it")]
    NoStrike,
    /// The strike has an open appeal.
    #[error("this strike has an open appeal; wait for its answer")]
    OpenAppeal,
    /// The strike has no open appeal.
    #[error("this strike has no open appeal")]
    NoAppeal,
    /// A refusal has no text, or too much.
    #[error("a refusal has a text of 1 to {MAX_ANSWER_BYTES} bytes, this one has {0}")]
    Answer(usize),
    /// The proof does not show that its maker wrote the post.
    #[error("the proof does not show that the post's author says this; prove it with the identity that wrote the post")]
    InvalidProof,
    /// The author's secret is public. Attack prevented: its finder deletes all that the member wrote.
    #[error("the secret of this post's author is known, so that anybody could act in the author's name")]
    SlashedMember,
    /// The report's pass is not accepted.
    #[error("the pass of the report is not accepted: {0}")]
    Refused(Box<Verdict>),
    /// Too many reports with this pass are being verified.
    #[error("this report is already being verified; send it once")]
    Busy,
}

/// Maximum bytes of the text that refuses an appeal.
pub const MAX_ANSWER_BYTES: usize = 4_000;

impl From<Verdict> for ModerationError {
    fn from(verdict: Verdict) -> Self {
        Self::Refused(Box::new(verdict))
    }
}
