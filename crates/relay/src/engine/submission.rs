//! Submissions to the engine, and the way of the answer back.

use std::time::Instant;

use bytes::Bytes;
use quotapass_circuits::{
    formats::wire::{POST_BYTES, PassKind},
    moderation::MAX_SEGMENTS,
    proof::PROOF_BYTES,
};
use quotapass_protocol::{Malformed, Verdict};
use tokio::sync::oneshot;

use super::Source;
use crate::{BadgeAnswer, KeyCheck};

/// The work on a badge, in posts of a large batch.
const BADGE_PLACES: usize = 8;

/// A post to check, as owned data. If it came as text, it may already be known that it cannot be read.
#[derive(Clone, Debug)]
pub struct OwnedPost {
    /// The scope's name.
    pub scope: String,
    /// The message.
    pub message: Bytes,
    /// The encoded pass: 246 bytes, or a post with records.
    pub pass: Result<Bytes, Malformed>,
}

impl OwnedPost {
    /// Returns the work on the post in a large batch, in posts without records: each record is one more proof. It depends
    /// on the length alone, and counts bytes that are no pass as what they claim to be.
    pub(super) fn places(&self) -> usize {
        let records = |pass: &[u8]| match PassKind::of(pass) {
            Ok(PassKind::Recorded) => (pass.len().saturating_sub(POST_BYTES + 1) / PROOF_BYTES).min(MAX_SEGMENTS),
            _ => 0,
        };
        1 + self.pass.as_ref().map_or(0, |pass| records(pass))
    }

    /// A post that cannot be read; a scope that is not known is empty.
    pub(crate) fn unreadable(scope: String, reason: &'static str) -> Self {
        Self { scope, message: Bytes::new(), pass: Err(Malformed::Unreadable(reason)) }
    }
}

/// A badge to check, as owned data. If the pass came as text, it may already be known that it cannot be read.
#[derive(Clone, Debug)]
pub struct OwnedBadge {
    /// The scope's name.
    pub scope: String,
    /// The encoded pass.
    pub pass: Result<Bytes, Malformed>,
    /// The check of possession of the chat key; none if it is not requested.
    pub key_check: Option<KeyCheck>,
}

/// Work that waits for an answer, with the partial answer and the reply channel.
#[derive(Debug)]
pub(super) enum Work {
    /// Posts; the first ones may already have their verdicts.
    Posts { posts: Vec<OwnedPost>, verdicts: Vec<Verdict>, reply: oneshot::Sender<Vec<Verdict>> },
    /// A badge.
    Badge { badge: OwnedBadge, answer: Option<Box<BadgeAnswer>>, reply: oneshot::Sender<BadgeAnswer> },
}

/// The answer to the part of a submission that is in one batch.
#[derive(Debug)]
pub(super) enum Answer {
    /// The verdicts on the next posts.
    Posts(Vec<Verdict>),
    /// The answer to a badge.
    Badge(BadgeAnswer),
}

impl Answer {
    /// Returns the verdicts.
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
    /// Whether it is served last, whatever its source: its posts have nullifiers of posts whose records failed.
    pub(super) is_last: bool,
}

impl Submission {
    /// Returns the number of missing verdicts.
    pub(super) fn open(&self) -> usize {
        match &self.work {
            Work::Posts { posts, verdicts, .. } => posts.len() - verdicts.len(),
            Work::Badge { answer, .. } => usize::from(answer.is_none()),
        }
    }

    /// Returns the number of places that it takes in a queue and in a batch: one for each missing verdict on a post and
    /// one for each of its records, and several for a badge, which is verified alone.
    pub(super) fn places(&self) -> usize {
        match self.work {
            Work::Posts { .. } => self.next_posts(usize::MAX).iter().map(OwnedPost::places).sum(),
            Work::Badge { .. } => BADGE_PLACES * self.open(),
        }
    }

    /// Returns the number of missing verdicts that fit into `room` places, at least one, and their places. A post is not
    /// divided from its records, so the places may exceed the room.
    pub(super) fn portion(&self, room: usize) -> (usize, usize) {
        let (mut count, mut places) = (0, 0);
        match self.work {
            Work::Posts { .. } => {
                for post in self.next_posts(usize::MAX) {
                    let more = places + post.places();
                    if count > 0 && more > room {
                        break;
                    }
                    (count, places) = (count + 1, more);
                }
            }
            Work::Badge { .. } => (count, places) = (self.open(), self.places()),
        }
        (count, places)
    }

    /// Returns the memory that it occupies, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let pass = |pass: &Result<Bytes, Malformed>| pass.as_ref().map_or(0, Bytes::len);
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

    /// Returns whether the caller no longer waits for the answer.
    pub(super) fn is_abandoned(&self) -> bool {
        match &self.work {
            Work::Posts { reply, .. } => reply.is_closed(),
            Work::Badge { reply, .. } => reply.is_closed(),
        }
    }

    /// Returns the next posts, at most `count`; none for a badge.
    pub(super) fn next_posts(&self, count: usize) -> &[OwnedPost] {
        match &self.work {
            Work::Posts { posts, verdicts, .. } => {
                let open = &posts[verdicts.len()..];
                &open[..count.min(open.len())]
            }
            Work::Badge { .. } => &[],
        }
    }

    /// Returns the scope names of the next posts, at most `count`, or of the badge.
    pub(super) fn next_scopes(&self, count: usize) -> Vec<&str> {
        match &self.work {
            Work::Posts { .. } => self.next_posts(count).iter().map(|post| post.scope.as_str()).collect(),
            Work::Badge { badge, .. } => vec![&badge.scope],
        }
    }

    /// Adds the answer to the next posts, or to the badge.
    pub(super) fn take_answer(&mut self, answered: Answer) {
        match (&mut self.work, answered) {
            (Work::Posts { verdicts, .. }, Answer::Posts(new)) => verdicts.extend(new),
            (Work::Badge { answer, .. }, Answer::Badge(new)) => *answer = Some(Box::new(new)),
            // The engine answers each kind of work with the matching kind of answer.
            _ => {}
        }
    }

    /// Replies without verification: all posts without a verdict get this verdict.
    pub(super) fn refuse(mut self, verdict: &Verdict) {
        let answer = match &self.work {
            Work::Posts { .. } => Answer::Posts(vec![verdict.clone(); self.open()]),
            Work::Badge { .. } => Answer::Badge(verdict.clone().into()),
        };
        self.take_answer(answer);
        self.reply();
    }

    /// Sends the answer. It is dropped if the caller no longer waits.
    pub(super) fn reply(self) {
        match self.work {
            Work::Posts { verdicts, reply, .. } => drop(reply.send(verdicts)),
            Work::Badge { answer: Some(answer), reply, .. } => drop(reply.send(*answer)),
            Work::Badge { answer: None, .. } => {}
        }
    }
}
