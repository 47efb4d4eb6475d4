//! The part of the demo about moderation: a report, a strike, an appeal, a deletion.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use quotapass_circuits::{formats::recorded::RecordedPass, moderation::Appeal, share::Nullifier};
use quotapass_log::moderation::{
    Because, Body, EntryId, Ground, GroundKind, Lift, ListedEntry, Reason, SaltedText, Strike, Until,
};
use quotapass_protocol::{
    Verdict, VerdictKind,
    moderation::{ActionResult, PostState, ReportBody},
};
use quotapass_registry::RegistryReader;
use quotapass_relay::{PostRequest, moderation::ReportStage};
use quotapass_wallet::{
    MessagePass,
    moderation::{AuthorAction, ListError, ReportBytes, ReportProvers, make_report, prove_author},
};
use serde_json::json;

use super::{
    square::{HIDE_AT, INTERVAL, Square, SquarePost},
    story::Story,
    world::{DAY, SQUARE},
};

/// The member whose post is struck; the members after it report it.
const AUTHOR: usize = 0;
const REPORTERS: core::ops::RangeInclusive<usize> = 1..=HIDE_AT as usize;
const ABUSE: &str = "I know where you live";

impl Story {
    /// A room with moderation: members report a post, moderators strike it, its author appeals, and deletes a post.
    pub(super) fn square_is_moderated(&mut self) -> Result<()> {
        self.world.chain.advance(2 * DAY)?;
        let keys = self.world.square_keys.take().context("the room has its keys")?;
        let mut square = Square::open(&mut self.world, keys)?;
        let (former, abuse) = self.post_is_reported(&mut square)?;
        let strike = self.post_is_struck(&mut square, &abuse, &former)?;
        self.author_appeals(&mut square, strike, &abuse)?;
        self.author_deletes(&square, &former)
    }

    fn square_post(&mut self, square: &mut Square, number: usize, message: &str) -> Result<SquarePost> {
        square.post(&mut self.world, number, &self.people[number], message)
    }

    fn judge_square(&mut self, message: &[u8], pass: &[u8]) -> Result<Verdict> {
        let (now, begun) = (self.world.now()?, Instant::now());
        let verdict = self.world.relay.verify_post(PostRequest { scope: SQUARE, message, pass }, now);
        self.report.judged(&verdict, begun.elapsed());
        Ok(verdict)
    }

    /// Posts in the room, and checks that the relay accepts it.
    fn accepted_post(&mut self, square: &mut Square, number: usize, message: &str) -> Result<SquarePost> {
        let post = self.square_post(square, number, message)?;
        let verdict = self.judge_square(&post.message, &post.pass.to_bytes())?;
        ensure!(verdict == Verdict::Accepted, "an honest post was judged {}", verdict.name());
        Ok(post)
    }

    fn state(&self, nullifier: Nullifier) -> Result<PostState> {
        let item = self.world.relay.moderation().item(nullifier, self.world.now()?)?;
        Ok(item.context("the relay does not know the post")?.state)
    }

    /// Members report a post of a member who also wrote a harmless one. Returns both.
    fn post_is_reported(&mut self, square: &mut Square) -> Result<(SquarePost, SquarePost)> {
        let former = self.accepted_post(square, AUTHOR, "good morning")?;
        let abuse = self.accepted_post(square, AUTHOR, ABUSE)?;
        let nullifier = abuse.entry.nullifier;
        for number in REPORTERS {
            let result = self.report_post(square, number, nullifier)?;
            ensure!(result == ActionResult::Accepted, "a first report counts");
        }
        let again = self.report_post(square, 1, nullifier)?;
        ensure!(again == ActionResult::Repeated, "a second report of one member does not count");
        ensure!(self.state(nullifier)? == PostState::Held, "enough reports hold a post");
        self.report.step(
            "report",
            &format!(
                "In the room `{SQUARE}`, which has moderators, {HIDE_AT} members report a post: it is held. One of them \
                 reports it twice, which counts once and reveals nothing."
            ),
            json!({ "reports": HIDE_AT, "repeated": 1, "state": "held" }),
        )?;
        Ok((former, abuse))
    }

    fn report_post(&mut self, square: &Square, number: usize, reported: Nullifier) -> Result<ActionResult> {
        let now = self.world.now()?;
        let (person, policy) = (&self.people[number], square.policy());
        let path = self.world.follower.path(person.index)?;
        let body = ReportBytes::clear(policy, &ReportBody::of(Reason::Harassment))?;
        let provers = ReportProvers {
            posts: &self.world.posts,
            authors: &self.world.square.authors,
            records: Some(&self.world.square.records),
        };
        let (membership, lists) = (person.membership(&path), square.lists(now)?);
        let rng = &mut self.world.rng;
        let request = make_report(provers, policy, membership, &lists, reported, &body, now, rng)?;
        let moderation = self.world.relay.moderation();
        let pending = match moderation.report(&request, now)? {
            ReportStage::Repeated => return Ok(ActionResult::Repeated),
            ReportStage::Pending(pending) => pending,
        };
        let post = pending.post();
        let pass = post.pass.as_ref().map_err(|verdict| anyhow::anyhow!("the report has no pass: {verdict:?}"))?;
        let request = PostRequest { scope: &post.scope, message: &post.message, pass };
        let verdict = self.world.relay.verify_post(request, now);
        Ok(moderation.conclude_report(&pending, verdict, now)?)
    }

    /// Both moderators strike a post. Its author can no longer write in the room, and all others can.
    fn post_is_struck(&mut self, square: &mut Square, abuse: &SquarePost, former: &SquarePost) -> Result<EntryId> {
        let text = SaltedText::new("a threat against a member, rule 2 of the room", &mut self.world.rng)?;
        let epoch = abuse.pass.post().epoch;
        let strike = Strike {
            entry: ListedEntry { x: abuse.entry.x, y: abuse.entry.y, nullifier: abuse.entry.nullifier },
            registry: self.world.registry.id(),
            scope: SQUARE.into(),
            epoch_seconds: epoch.seconds(),
            epoch: epoch.number(),
            pass: abuse.pass.to_bytes(),
            reason: Reason::Harassment,
            ground: Ground { kind: GroundKind::Incompatible, reference: "rule 2".into() },
            text: text.digest(),
            until: Until::At(self.world.now()? + 180 * DAY),
            automated_detection: false,
            automated_decision: false,
            decided_by: None,
        };
        let body = Body::Strike(Box::new(strike));
        let id = square.decide(&mut self.world, body, Some(&text), Some(ABUSE.as_bytes()))?;
        let size = square.publish(&self.world)?;
        self.report.step(
            "strike",
            &format!(
                "Two moderators strike the post. The strike is in a public log of {size} entries, which a relay of \
                 another operator has checked and cosigned. It names the post, and no member."
            ),
            json!({ "strike": id.to_string(), "entries": size }),
        )?;

        let struck = match self.square_post(square, AUTHOR, "and I will visit you") {
            Ok(_) => bail!("a struck member has a pass"),
            Err(error) => error,
        };
        let Some(ListError::Struck(struck)) = struck.downcast_ref::<ListError>() else { return Err(struck) };
        let details = struck.strikes.first().and_then(|strike| strike.details.as_ref());
        let reason = details.context("the wallet knows the reason")?.reason_name();
        self.report.step(
            "struck",
            &format!(
                "The author's wallet finds its own post in the list before it sends anything: \"{reason}\", with the \
                 end and the way to appeal. Nobody else can tell whose post it is."
            ),
            json!({ "reason": reason }),
        )?;

        // A wallet that sends nevertheless: without records, and with the records of somebody else.
        let honest = self.accepted_post(square, 1, "is everybody all right?")?;
        let MessagePass::Recorded(records) = &honest.pass else { bail!("a post in the room has no records") };
        let (post, message) = (former.pass.post(), former.message.clone());
        let own = self.world.pass_in(SQUARE, &self.people[AUTHOR], &message, 0, &mut self.report)?;
        ensure!(own.nullifier != post.nullifier, "the epochs of the two posts differ");
        let verdict = self.judge_square(&message, &own.to_bytes())?;
        ensure!(verdict.kind() == VerdictKind::ListMismatch, "a post without records was judged {}", verdict.name());
        let borrowed = RecordedPass::new(own, records.lists().to_vec())?;
        let verdict = self.judge_square(&message, &borrowed.to_bytes())?;
        ensure!(verdict == Verdict::InvalidProof, "borrowed records were judged {}", verdict.name());
        self.report.step(
            "invalid_proof",
            "A wallet that sends nevertheless: without a record list_mismatch, with the record of another member's post \
             invalid_proof. All others post as before.",
            json!({ "verdict": verdict.name(), "others": "accepted" }),
        )?;
        Ok(id)
    }

    /// The author appeals without a name, the moderators lift the strike, and the author posts again.
    fn author_appeals(&mut self, square: &mut Square, strike: EntryId, abuse: &SquarePost) -> Result<()> {
        let now = self.world.now()?;
        let appeal = AuthorAction::Appeal(Appeal::new("It was a quote from a film, and I am sorry.")?);
        let (authors, policy) = (&self.world.square.authors, square.policy());
        let secret = &self.people[AUTHOR].secret;
        let request = prove_author(authors, secret, policy, abuse.entry, appeal, now, &mut self.world.rng)?;
        let result = self.world.relay.moderation().author(&request, now)?;
        ensure!(result == ActionResult::Accepted, "an appeal waits for the moderators");
        let lift = Body::Lift(Lift { strike, because: Because::Appeal });
        square.decide(&mut self.world, lift, None, None)?;
        square.publish(&self.world)?;
        self.accepted_post(square, AUTHOR, "thank you")?;
        self.report.step(
            "appeal",
            &format!(
                "The author appeals: a proof says \"I wrote this post\", and not who. The moderators lift the strike, \
                 and {} minutes later the author posts again.",
                INTERVAL / 60
            ),
            json!({ "strike": strike.to_string(), "because": "appeal", "verdict": "accepted" }),
        )
    }

    /// The author deletes another post. Another member cannot.
    fn author_deletes(&mut self, square: &Square, post: &SquarePost) -> Result<()> {
        let now = self.world.now()?;
        let (authors, policy) = (&self.world.square.authors, square.policy());
        let other = &self.people[1].secret;
        let rng = &mut self.world.rng;
        let refused = prove_author(authors, other, policy, post.entry, AuthorAction::Delete, now, rng);
        ensure!(refused.is_err(), "a member deleted the post of another");
        let secret = &self.people[AUTHOR].secret;
        let request = prove_author(authors, secret, policy, post.entry, AuthorAction::Delete, now, rng)?;
        self.world.relay.moderation().author(&request, now)?;
        ensure!(self.state(post.entry.nullifier)? == PostState::Deleted, "a deletion is final");
        let events = self.world.relay.moderation().events(0, 100)?;
        self.report.step(
            "delete",
            &format!(
                "The same member deletes another post of theirs; a proof by anybody else fails. The relay tells networks \
                 of all this in {} numbered events.",
                events.len()
            ),
            json!({ "state": "deleted", "events": events.len() }),
        )
    }
}
