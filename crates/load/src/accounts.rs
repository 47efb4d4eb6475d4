//! The answers to all posts, and a check that they are consistent.
//!
//! A verdict depends on what the relay has recorded, which is not always known: an answer can be lost in transit, and a
//! relay can die between recording and answering. Each post that was sent and not answered is *open*: it may have been
//! recorded. The rules below tolerate open posts and nothing else.

use std::{collections::HashMap, fmt};

use quotapass_protocol::VerdictKind;

use crate::plan::Item;

/// The answer to a post that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    /// The verdict of the relay.
    Verdict(VerdictKind),
    /// No answer arrived.
    Lost,
}

impl Answer {
    /// Returns all answers, [`Answer::Lost`] last.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        VerdictKind::ALL.into_iter().map(Self::Verdict).chain([Self::Lost])
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::all().find(|answer| answer.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Verdict(kind) => kind.name(),
            Self::Lost => "lost",
        }
    }

    /// Whether the relay decided about the post.
    pub(crate) fn is_decided(self) -> bool {
        !matches!(self, Self::Verdict(VerdictKind::Overloaded) | Self::Lost)
    }
}

/// The number of answers to one item, by kind.
#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    accepted: u64,
    replay: u64,
    quota_exceeded: u64,
    slashed_member: u64,
    /// Sendings without an answer.
    open: u64,
    /// The last verdict of any other kind.
    other: Option<VerdictKind>,
}

impl Answers {
    fn add(&mut self, answer: Answer) {
        match answer {
            Answer::Lost => self.open += 1,
            Answer::Verdict(VerdictKind::Accepted) => self.accepted += 1,
            Answer::Verdict(VerdictKind::Replay) => self.replay += 1,
            Answer::Verdict(VerdictKind::QuotaExceeded) => self.quota_exceeded += 1,
            Answer::Verdict(VerdictKind::SlashedMember) => self.slashed_member += 1,
            Answer::Verdict(VerdictKind::Overloaded) => {}
            Answer::Verdict(other) => self.other = Some(other),
        }
    }

    /// Whether the relay may have recorded the item.
    fn may_be_recorded(&self) -> bool {
        self.accepted + self.slashed_member + self.open > 0
    }

    fn decided(&self) -> bool {
        self.accepted + self.replay + self.quota_exceeded + self.slashed_member > 0
    }
}

/// An inconsistent answer, which a relay must never give.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) item: Item,
    pub(crate) what: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.item {
            Item::Honest(number) => write!(f, "honest post {number} ")?,
            Item::Half { pair, .. } => write!(f, "spammer {pair} ")?,
            Item::Forgery(number) => write!(f, "forgery of honest post {number} ")?,
        }
        f.write_str(&self.what)
    }
}

/// All answers to all posts.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    answers: HashMap<Item, Answers>,
    /// Spammers that were caught before this run, and whether they could post again in this run.
    caught_before: HashMap<u32, bool>,
    /// Whether a post that was answered `overloaded` may have been recorded: a log on a network can lose its answer.
    overloaded_is_open: bool,
    /// Whether an earlier run was cut off, so that its last posts are unknown.
    all_open: bool,
    counts: HashMap<Answer, u64>,
}

impl Accounts {
    pub(crate) fn new(overloaded_is_open: bool) -> Self {
        Self { overloaded_is_open, ..Self::default() }
    }

    /// Records an answer of this run.
    pub(crate) fn add(&mut self, item: Item, answer: Answer) {
        *self.counts.entry(answer).or_default() += 1;
        if let Item::Half { pair, .. } = item
            && self.caught_before.contains_key(&pair)
            && let Answer::Verdict(VerdictKind::Accepted | VerdictKind::Replay | VerdictKind::QuotaExceeded) = answer
        {
            self.caught_before.insert(pair, true);
        }
        self.remember(item, answer);
    }

    /// Records an answer of an earlier run.
    pub(crate) fn remember(&mut self, item: Item, answer: Answer) {
        let open = self.overloaded_is_open && answer == Answer::Verdict(VerdictKind::Overloaded);
        self.answers.entry(item).or_default().add(if open { Answer::Lost } else { answer });
    }

    /// Begins a new run; the answers recorded so far belong to earlier runs.
    pub(crate) fn begin_run(&mut self) {
        for (item, answers) in &self.answers {
            if let Item::Half { pair, .. } = *item
                && answers.quota_exceeded > 0
            {
                self.caught_before.insert(pair, false);
            }
        }
    }

    /// Notes that an earlier run was cut off, so that any post may have been sent.
    pub(crate) fn forget_what_was_sent(&mut self) {
        self.all_open = true;
    }

    /// Returns how often an answer was given in this run.
    pub(crate) fn count(&self, answer: Answer) -> u64 {
        self.counts.get(&answer).copied().unwrap_or(0)
    }

    /// Returns all posts that were sent in any run, in order.
    pub(crate) fn items(&self) -> Vec<Item> {
        let mut items: Vec<_> = self.answers.keys().copied().collect();
        items.sort_unstable();
        items
    }

    /// Returns all inconsistencies, in the order of the posts.
    pub(crate) fn complaints(&self) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        for item in self.items() {
            let complaint = match item {
                Item::Honest(_) => self.about_honest(self.answers(item)),
                Item::Forgery(_) => about_forgery(self.answers(item)),
                Item::Half { pair, second: false } => self.about_pair(pair),
                // Reported with the first half, unless that was never sent.
                Item::Half { pair, .. } => {
                    let first = Item::Half { pair, second: false };
                    if self.answers.contains_key(&first) { None } else { self.about_pair(pair) }
                }
            };
            complaints.extend(complaint.map(|what| Complaint { item, what }));
        }
        complaints
    }

    fn answers(&self, item: Item) -> Answers {
        let mut answers = self.answers.get(&item).copied().unwrap_or_default();
        answers.open += u64::from(self.all_open);
        answers
    }

    fn about_honest(&self, answers: Answers) -> Option<String> {
        let Answers { accepted, replay, quota_exceeded, slashed_member, open, other } = answers;
        if let Some(other) = other {
            return Some(format!("was answered {}", other.name()));
        }
        if quota_exceeded + slashed_member > 0 {
            return Some("was judged as spam".into());
        }
        if accepted > 1 {
            return Some(format!("was accepted {accepted} times"));
        }
        (replay > 0 && accepted + open == 0).then(|| "was judged as a replay but never accepted".into())
    }

    fn about_pair(&self, pair: u32) -> Option<String> {
        let [first, second] = [false, true].map(|second| self.answers(Item::Half { pair, second }));
        if let Some(other) = first.other.or(second.other) {
            return Some(format!("was answered {}", other.name()));
        }
        if self.caught_before.get(&pair) == Some(&true) {
            return Some("was caught before, but could post again".into());
        }
        let accepted = first.accepted + second.accepted;
        if accepted > 1 {
            return Some(format!("was accepted {accepted} times under one message id"));
        }
        if [first, second].iter().any(|half| half.replay > 0 && half.accepted + half.open == 0) {
            return Some("was judged as a replay but never accepted".into());
        }
        let (exceeded, slashed) =
            (first.quota_exceeded + second.quota_exceeded, first.slashed_member + second.slashed_member);
        let open = first.open + second.open;
        if exceeded > 1 {
            return Some(format!("was caught {exceeded} times"));
        }
        let met_the_other = |half: &Answers, other: &Answers| half.quota_exceeded == 0 || other.may_be_recorded();
        if !met_the_other(&first, &second) || !met_the_other(&second, &first) {
            return Some("was caught although its other post was never recorded".into());
        }
        if slashed > 0 && exceeded + open == 0 {
            return Some("was refused as slashed but never caught".into());
        }
        (first.decided() && second.decided() && exceeded + open == 0).then(|| "was not caught".into())
    }
}

fn about_forgery(answers: Answers) -> Option<String> {
    match answers.other {
        Some(other) if other != VerdictKind::InvalidProof => Some(format!("was answered {}", other.name())),
        _ if answers.accepted > 0 => Some("was accepted".into()),
        _ if answers.decided() => Some("was judged as a post with a valid proof".into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer::Lost, *};

    const HONEST: Item = Item::Honest(3);
    const FORGERY: Item = Item::Forgery(3);
    const FIRST: Item = Item::Half { pair: 5, second: false };
    const SECOND: Item = Item::Half { pair: 5, second: true };

    const ACCEPTED: Answer = Answer::Verdict(VerdictKind::Accepted);
    const REPLAY: Answer = Answer::Verdict(VerdictKind::Replay);
    const QUOTA_EXCEEDED: Answer = Answer::Verdict(VerdictKind::QuotaExceeded);
    const SLASHED_MEMBER: Answer = Answer::Verdict(VerdictKind::SlashedMember);
    const UNKNOWN_ROOT: Answer = Answer::Verdict(VerdictKind::UnknownRoot);
    const INVALID_PROOF: Answer = Answer::Verdict(VerdictKind::InvalidProof);
    const MALFORMED: Answer = Answer::Verdict(VerdictKind::Malformed);
    const OVERLOADED: Answer = Answer::Verdict(VerdictKind::Overloaded);

    fn accounts(answers: &[(Item, Answer)]) -> Accounts {
        let mut accounts = Accounts::new(false);
        for (item, answer) in answers {
            accounts.add(*item, *answer);
        }
        accounts
    }

    #[track_caller]
    fn fits(answers: &[(Item, Answer)]) {
        assert_eq!(accounts(answers).complaints(), []);
    }

    #[track_caller]
    fn does_not_fit(answers: &[(Item, Answer)], words: &str) {
        let complaints = accounts(answers).complaints();
        assert_eq!(complaints.len(), 1, "{complaints:?}");
        assert!(complaints[0].to_string().contains(words), "{}", complaints[0]);
    }

    #[test]
    fn answers_are_read_by_their_names() {
        for answer in Answer::all() {
            assert_eq!(Answer::from_name(answer.name()), Some(answer));
        }
        assert_eq!(Answer::from_name("fine"), None);
    }

    #[test]
    fn an_honest_post_is_accepted_once() {
        fits(&[(HONEST, ACCEPTED)]);
        fits(&[(HONEST, ACCEPTED), (HONEST, REPLAY), (HONEST, REPLAY)]);
        // The relay may have judged the replay first.
        fits(&[(HONEST, REPLAY), (HONEST, ACCEPTED)]);
        does_not_fit(&[(HONEST, ACCEPTED), (HONEST, ACCEPTED)], "accepted 2 times");
        does_not_fit(&[(HONEST, REPLAY)], "never accepted");
        does_not_fit(&[(HONEST, ACCEPTED), (HONEST, QUOTA_EXCEEDED)], "spam");
        does_not_fit(&[(HONEST, UNKNOWN_ROOT)], "unknown_root");
    }

    #[test]
    fn a_lost_answer_may_have_been_an_acceptance() {
        fits(&[(HONEST, Lost), (HONEST, REPLAY)]);
        fits(&[(HONEST, Lost), (HONEST, ACCEPTED)]);
        does_not_fit(&[(HONEST, ACCEPTED), (HONEST, Lost), (HONEST, ACCEPTED)], "accepted 2 times");
        does_not_fit(&[(HONEST, Lost), (HONEST, QUOTA_EXCEEDED)], "spam");
    }

    #[test]
    fn an_overloaded_post_was_not_recorded_unless_the_log_may_lose_answers() {
        fits(&[(HONEST, OVERLOADED), (HONEST, ACCEPTED)]);
        does_not_fit(&[(HONEST, OVERLOADED), (HONEST, REPLAY)], "never accepted");
        let mut accounts = Accounts::new(true);
        accounts.add(HONEST, OVERLOADED);
        accounts.add(HONEST, REPLAY);
        assert_eq!(accounts.complaints(), []);
        assert_eq!((accounts.count(OVERLOADED), accounts.count(Lost)), (1, 0));
    }

    #[test]
    fn a_spammer_is_caught_once() {
        fits(&[(FIRST, ACCEPTED), (SECOND, QUOTA_EXCEEDED)]);
        fits(&[(SECOND, ACCEPTED), (FIRST, QUOTA_EXCEEDED), (FIRST, SLASHED_MEMBER)]);
        // Both posts were in transit together: the first was recorded, but the secret was known before its answer.
        fits(&[(FIRST, SLASHED_MEMBER), (SECOND, QUOTA_EXCEEDED)]);
        fits(&[(FIRST, ACCEPTED)]);
        fits(&[(FIRST, ACCEPTED), (SECOND, OVERLOADED)]);
        does_not_fit(&[(FIRST, ACCEPTED), (SECOND, ACCEPTED)], "accepted 2 times");
        does_not_fit(&[(FIRST, ACCEPTED), (SECOND, REPLAY)], "never accepted");
        does_not_fit(&[(FIRST, QUOTA_EXCEEDED), (SECOND, QUOTA_EXCEEDED)], "caught 2 times");
        does_not_fit(&[(SECOND, QUOTA_EXCEEDED)], "never recorded");
        does_not_fit(&[(FIRST, ACCEPTED), (SECOND, SLASHED_MEMBER)], "never caught");
        does_not_fit(&[(FIRST, ACCEPTED), (SECOND, INVALID_PROOF)], "invalid_proof");
    }

    #[test]
    fn lost_answers_may_have_caught_a_spammer() {
        fits(&[(FIRST, Lost), (SECOND, QUOTA_EXCEEDED)]);
        fits(&[(FIRST, ACCEPTED), (SECOND, Lost), (SECOND, SLASHED_MEMBER)]);
        fits(&[(FIRST, Lost), (SECOND, Lost), (FIRST, SLASHED_MEMBER)]);
        does_not_fit(&[(FIRST, ACCEPTED), (SECOND, Lost), (SECOND, ACCEPTED)], "accepted 2 times");
    }

    #[test]
    fn a_forgery_is_refused_and_no_more() {
        fits(&[(FORGERY, INVALID_PROOF), (FORGERY, OVERLOADED), (FORGERY, Lost)]);
        does_not_fit(&[(FORGERY, ACCEPTED)], "accepted");
        does_not_fit(&[(FORGERY, REPLAY)], "a valid proof");
        does_not_fit(&[(FORGERY, MALFORMED)], "malformed");
    }

    #[test]
    fn what_was_caught_in_an_earlier_run_stays_caught() {
        for (answer, complaints) in [(SLASHED_MEMBER, 0), (OVERLOADED, 0), (REPLAY, 1), (ACCEPTED, 1)] {
            let mut accounts = Accounts::new(false);
            accounts.remember(FIRST, ACCEPTED);
            accounts.remember(SECOND, QUOTA_EXCEEDED);
            accounts.begin_run();
            accounts.add(FIRST, answer);
            assert_eq!(accounts.complaints().len(), complaints, "{answer:?}");
            assert_eq!(accounts.count(QUOTA_EXCEEDED), 0, "counts are of this run");
        }
    }

    #[test]
    fn a_run_that_was_cut_off_leaves_everything_open() {
        let mut accounts = accounts(&[(HONEST, REPLAY)]);
        assert_eq!(accounts.complaints().len(), 1);
        accounts.forget_what_was_sent();
        assert_eq!(accounts.complaints(), []);
        accounts.add(HONEST, ACCEPTED);
        accounts.add(HONEST, ACCEPTED);
        assert_eq!(accounts.complaints().len(), 1);
    }
}
