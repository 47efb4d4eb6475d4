//! What is handed to the engine, and how the answer goes back.

use std::time::Instant;

use bytes::Bytes;
use quotapass_circuits::formats::wire::DecodeError;
use tokio::sync::oneshot;

use super::Source;
use crate::relay::{BadgeAnswer, KeyCheck, Verdict};

/// A post to check, by itself. The pass may be known to be none already, if it came as text.
#[derive(Clone, Debug)]
pub struct OwnedPost {
    /// The scope's name.
    pub scope: String,
    /// The message.
    pub message: Bytes,
    /// The pass as it is sent: 246 bytes.
    pub pass: Result<Bytes, DecodeError>,
}

/// A badge to check, by itself. The pass may be known to be none already, if it came as text.
#[derive(Clone, Debug)]
pub struct OwnedBadge {
    /// The scope's name.
    pub scope: String,
    /// The pass as it is sent.
    pub pass: Result<Bytes, DecodeError>,
    /// What is asked of whoever shows it; nothing if none.
    pub key_check: Option<KeyCheck>,
}

/// What waits for an answer, as far as there is one, and whither it goes.
#[derive(Debug)]
pub(super) enum Work {
    /// Posts, of which the first have their verdict.
    Posts { posts: Vec<OwnedPost>, verdicts: Vec<Verdict>, reply: oneshot::Sender<Vec<Verdict>> },
    /// A badge.
    Badge { badge: OwnedBadge, answer: Option<Box<BadgeAnswer>>, reply: oneshot::Sender<BadgeAnswer> },
}

/// The answer to a part of a submission that is in one batch.
#[derive(Debug)]
pub(super) enum Answer {
    /// To the posts that come next.
    Posts(Vec<Verdict>),
    /// To a badge.
    Badge(BadgeAnswer),
}

impl Answer {
    /// The verdicts in it.
    pub(super) fn verdicts(&self) -> &[Verdict] {
        match self {
            Self::Posts(verdicts) => verdicts,
            Self::Badge(answer) => core::slice::from_ref(&answer.verdict),
        }
    }
}

/// Work from one source.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) source: Source,
    pub(super) work: Work,
    pub(super) queued_at: Instant,
}

impl Submission {
    /// How many verdicts are missing.
    pub(super) fn open(&self) -> usize {
        match &self.work {
            Work::Posts { posts, verdicts, .. } => posts.len() - verdicts.len(),
            Work::Badge { answer, .. } => usize::from(answer.is_none()),
        }
    }

    /// The memory it holds on to.
    pub(super) fn bytes(&self) -> usize {
        let pass = |pass: &Result<Bytes, DecodeError>| pass.as_ref().map_or(0, Bytes::len);
        match &self.work {
            Work::Posts { posts, .. } => {
                let of = |post: &OwnedPost| {
                    size_of::<OwnedPost>() + post.scope.len() + post.message.len() + pass(&post.pass)
                };
                posts.iter().map(of).sum()
            }
            Work::Badge { badge, .. } => size_of::<OwnedBadge>() + badge.scope.len() + pass(&badge.pass),
        }
    }

    /// Whether nobody waits for the answer any more.
    pub(super) fn is_abandoned(&self) -> bool {
        match &self.work {
            Work::Posts { reply, .. } => reply.is_closed(),
            Work::Badge { reply, .. } => reply.is_closed(),
        }
    }

    /// The posts that come next, at most `count`; none of a badge.
    pub(super) fn next_posts(&self, count: usize) -> &[OwnedPost] {
        match &self.work {
            Work::Posts { posts, verdicts, .. } => {
                let open = &posts[verdicts.len()..];
                &open[..count.min(open.len())]
            }
            Work::Badge { .. } => &[],
        }
    }

    /// The scopes' names of what comes next, at most `count`.
    pub(super) fn next_scopes(&self, count: usize) -> Vec<&str> {
        match &self.work {
            Work::Posts { .. } => self.next_posts(count).iter().map(|post| post.scope.as_str()).collect(),
            Work::Badge { badge, .. } => vec![&badge.scope],
        }
    }

    /// Takes the answer to what comes next.
    pub(super) fn take_answer(&mut self, answered: Answer) {
        match (&mut self.work, answered) {
            (Work::Posts { verdicts, .. }, Answer::Posts(new)) => verdicts.extend(new),
            (Work::Badge { answer, .. }, Answer::Badge(new)) => *answer = Some(Box::new(new)),
            // The engine answers each with its own kind.
            _ => {}
        }
    }

    /// The answer to all of it where nobody works on it; what is open gets this verdict.
    pub(super) fn refuse(mut self, verdict: &Verdict) {
        let answer = match &self.work {
            Work::Posts { .. } => Answer::Posts(vec![verdict.clone(); self.open()]),
            Work::Badge { .. } => Answer::Badge(verdict.clone().into()),
        };
        self.take_answer(answer);
        self.reply();
    }

    /// Sends the answer. Whoever went away does not get it.
    pub(super) fn reply(self) {
        match self.work {
            Work::Posts { verdicts, reply, .. } => drop(reply.send(verdicts)),
            Work::Badge { answer: Some(answer), reply, .. } => drop(reply.send(*answer)),
            Work::Badge { answer: None, .. } => {}
        }
    }
}
