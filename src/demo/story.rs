//! The steps of the demo.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use quotapass_circuits::{
    badge::badge,
    formats::wire::{BadgePass, PostPass},
    identity::IdentitySecret,
    membership::{Day, MemberIndex, MemberPath},
    requirement::Requirement,
    share::ShareValue,
    signal::{ChatKeyHash, Receiver},
    slash::slash,
};
use quotapass_protocol::{Gossip, Verdict, VerdictKind};
use quotapass_registry::{ContractRefusal, RegistryError, RegistryReader, RegistryWriter};
use quotapass_relay::{BadgeRequest, ChatKey};
use serde_json::json;

use super::{
    report::{Report, Totals},
    world::{DAY, HOUR, Person, SCOPE, World, relay_operator},
};

pub(super) struct Story {
    pub(super) world: World,
    pub(super) report: Report,
    pub(super) people: Vec<Person>,
    members: u16,
    totals: Totals,
    /// The secret that the relay recovered from two shares.
    recovered: Option<IdentitySecret>,
}

// Indices of the members with a role; most have none. The reward for the spammer's tier is whole tokens, and with four
// members the last to join holds the badge.
const CHATTERER: usize = 0;
const SPAMMER: usize = 1;
const LEAVER: usize = 2;
const BADGE_HOLDER: usize = 3;

impl Story {
    pub(super) fn new(world: World, report: Report, members: u16) -> Self {
        let totals = Totals { members: members.into(), slashed: 0, reward_units: 0, withdrawn: 0 };
        Self { world, report, people: Vec::new(), members, totals, recovered: None }
    }

    /// All members except the last deposit, each in its own block.
    pub(super) fn members_deposit(&mut self) -> Result<()> {
        let begun = Instant::now();
        let mut gas = 0;
        let count = u64::from(self.members) - 1;
        for number in 0..count {
            let (person, used) = self.world.deposit(number)?;
            gas += used;
            self.people.push(person);
            self.world.chain.advance(HOUR)?;
        }
        let locked = self.people.iter().map(|person| u64::from(person.member.terms.stake)).sum::<u64>();
        let average = gas / count;
        self.report.step(
            "deposit",
            &format!(
                "{count} people lock {locked} tokens in total, each for an identity commitment: {average} gas per \
                 deposit on average, {:.1} ms each here.",
                begun.elapsed().as_secs_f64() * 1e3 / count as f64
            ),
            json!({ "members": count, "tokens": locked, "gas_average": average }),
        )?;

        let begun = Instant::now();
        let events = self.world.sync()?;
        let root = self.world.registry.root()?;
        ensure!(self.world.follower.root()? == root, "the root of the copy differs from the contract's");
        self.report.step(
            "sync",
            &format!(
                "Relay and wallets read {events} events and rebuild the tree in {:.0} ms; its root matches the \
                 contract's.",
                begun.elapsed().as_secs_f64() * 1e3
            ),
            json!({ "events": events, "root": root }),
        )?;
        self.world.chain.advance(2 * DAY)?;
        Ok(())
    }

    /// Every member posts one message.
    pub(super) fn members_post(&mut self) -> Result<()> {
        let mut accepted = 0;
        let mut last = None;
        let count = self.people.len();
        for number in 0..count {
            self.report.progress("posts", number, count);
            let message = format!("message number {number}, from somebody");
            let pass = self.world.pass(&self.people[number], message.as_bytes(), 0, &mut self.report)?.to_bytes();
            let verdict = self.world.judge(message.as_bytes(), &pass, &mut self.report)?;
            ensure!(verdict == Verdict::Accepted, "an honest post was judged {}", verdict.name());
            accepted += 1;
            last = Some((message, pass));
        }
        let (prove, verify) = (self.report.prove_ms(), self.report.verify_ms());
        self.report.step(
            "post",
            &format!(
                "Each of them posts in `{SCOPE}`: {accepted} passes of 246 bytes, accepted. The relay learns that a \
                 depositor wrote each post, but not which one. Median: {prove:.0} ms to prove, {verify:.2} ms for a \
                 verdict."
            ),
            json!({ "accepted": accepted, "prove_ms_median": prove, "verify_ms_median": verify }),
        )?;

        let (message, pass) = last.context("no member has posted")?;
        self.expect(VerdictKind::Replay, "The same pass again", message.as_bytes(), &pass)
    }

    /// The relay refuses passes that have one fault each.
    pub(super) fn relay_refuses(&mut self) -> Result<()> {
        let path = self.path(CHATTERER)?;
        let message = b"hello";
        let requirement = self.world.requirement()?;

        let boast = Requirement { min_stake: 0, ..requirement };
        let pass = self.pass_on(CHATTERER, &path, message, boast)?.to_bytes();
        self.expect(
            VerdictKind::RequirementMismatch,
            "A pass proved for a lower stake than the room's",
            message,
            &pass,
        )?;

        let honest = self.pass_on(CHATTERER, &path, message, requirement)?;
        let bytes = honest.to_bytes();
        self.expect(VerdictKind::Malformed, "A pass cut short", message, &bytes[..200])?;
        self.expect(VerdictKind::InvalidProof, "A good pass with another message", b"buy my coin", &bytes)?;
        let invented = PostPass { y: ShareValue::from_field(self.people[0].secret.to_field()), ..honest };
        self.expect(
            VerdictKind::InvalidProof,
            "A copied nullifier with an invented share",
            message,
            &invented.to_bytes(),
        )?;

        // A tree of the first member alone did exist once; its root would be known.
        let made_up = World::made_up_tree(&self.people[LEAVER])?.path(MemberIndex(0))?;
        let pass = self.pass_on(LEAVER, &made_up, message, requirement)?.to_bytes();
        self.expect(VerdictKind::UnknownRoot, "A pass from a made-up tree", message, &pass)?;

        self.world.chain.advance(HOUR)?;
        self.expect(VerdictKind::EpochOutOfRange, "A good pass, an hour late", message, &bytes)
    }

    /// A wallet proves on a root that was superseded before the relay's root window.
    pub(super) fn wallet_that_did_not_sync(&mut self) -> Result<()> {
        let old = self.path(CHATTERER)?;
        let (newcomer, _) = self.world.deposit(self.people.len() as u64)?;
        self.people.push(newcomer);
        self.world.sync()?;
        self.world.chain.advance(HOUR / 2)?;
        let requirement = self.world.requirement()?;
        let pass = self.pass_on(CHATTERER, &old, b"half an hour behind", requirement)?.to_bytes();
        self.expect(
            VerdictKind::Accepted,
            "One more member joins; a pass on the previous root, within the hour",
            b"half an hour behind",
            &pass,
        )?;
        self.world.chain.advance(HOUR)?;
        let requirement = self.world.requirement()?;
        let pass = self.pass_on(CHATTERER, &old, b"too far behind", requirement)?.to_bytes();
        self.expect(VerdictKind::StaleRoot, "A pass on the same root an hour later", b"too far behind", &pass)
    }

    /// A member uses up the quota of an epoch, and then uses one message id twice.
    pub(super) fn spammer_is_caught(&mut self) -> Result<()> {
        self.world.chain.advance(DAY)?;
        let quota = self.world.policy.limit_cap.get();
        for id in 0..quota {
            let message = format!("cheap watches, part {id}");
            let pass = self.world.pass(&self.people[SPAMMER], message.as_bytes(), id, &mut self.report)?.to_bytes();
            let verdict = self.world.judge(message.as_bytes(), &pass, &mut self.report)?;
            ensure!(verdict == Verdict::Accepted, "a post within quota was judged {}", verdict.name());
        }
        let message = b"cheap watches, one part too many";
        let pass = self.world.pass(&self.people[SPAMMER], message, 0, &mut self.report)?.to_bytes();
        let begun = Instant::now();
        let verdict = self.world.judge(message, &pass, &mut self.report)?;
        let (name, gossip) = (verdict.name(), verdict.gossip());
        ensure!(gossip == Gossip::Ignore, "the peer that forwards the first evidence is honest");
        let Verdict::QuotaExceeded(exceeded) = verdict else {
            anyhow::bail!("a post over quota was judged {name}");
        };
        let commitment = exceeded.commitment();
        let slots = self.world.registry.slots_of(commitment)?;
        let index = slots.first().copied().context("the recovered secret is not a member's")?;
        self.report.step(
            name,
            &format!(
                "A member posts {quota} messages, the room's quota, and then one more under a used message id: {name} \
                 ({}). Two shares of one line reveal the secret: it is member {index}, found in {:.1} ms.",
                gossip.name(),
                begun.elapsed().as_secs_f64() * 1e3
            ),
            json!({ "verdict": name, "gossip": gossip, "member": index, "commitment": commitment }),
        )?;
        ensure!(index == self.people[SPAMMER].index, "the secret is another member's");
        self.recovered = Some(exceeded.secret);
        Ok(())
    }

    /// The relay's operator slashes the spammer on the chain.
    pub(super) fn spammer_is_slashed(&mut self) -> Result<()> {
        let secret = self.recovered.take().context("no secret was recovered")?;
        let operator = relay_operator();
        let index = self.people[SPAMMER].index;
        let old_path = self.path(SPAMMER)?;
        let before = self.world.tokens(operator)?;

        let begun = Instant::now();
        let receiver = Receiver::new(&self.world.registry.id(), &operator.into_array());
        let (public, witness) = slash(&secret, receiver);
        let proof = self.world.slashes.prove(&public, &witness, &mut self.world.rng)?;
        let elapsed = begun.elapsed().as_secs_f64() * 1e3;
        let receipt = self.world.registry.slash(operator, index, operator, &proof)?;
        self.world.sync()?;
        let reward = self.world.tokens(operator)? - before;
        self.totals.slashed += 1;
        self.totals.reward_units += reward;
        let stake = self.people[SPAMMER].member.terms.stake;
        self.report.step(
            "slash",
            &format!(
                "The relay proves that it knows the secret ({elapsed:.0} ms) and the registry verifies it ({} gas): \
                 of {stake} tokens, {reward} go to the relay and the rest is burnt.",
                receipt.gas_used
            ),
            json!({ "member": index, "gas": receipt.gas_used, "reward_units": reward, "prove_ms": elapsed }),
        )?;

        self.world.chain.advance(600)?;
        let requirement = self.world.requirement()?;
        let pass = self.pass_on(SPAMMER, &old_path, b"it was not me", requirement)?.to_bytes();
        self.expect(
            VerdictKind::SlashedMember,
            "The spammer posts on a root that is still accepted",
            b"it was not me",
            &pass,
        )?;
        ensure!(self.world.follower.path(index).is_err(), "a slashed member is still in the tree");
        Ok(())
    }

    /// A chat key gets a badge, and the relay notices a second key of the same member.
    pub(super) fn badge_is_shown(&mut self) -> Result<()> {
        let first = self.badge(b"first chat key")?;
        let second = self.badge(b"second chat key")?;
        let now = self.world.now()?;
        let begun = Instant::now();
        let answer = self.world.relay.verify_badge(BadgeRequest { scope: SCOPE, pass: &first.to_bytes() }, now);
        let elapsed = begun.elapsed().as_secs_f64() * 1e3;
        let holder = answer.holder.context("an honest badge was refused")?;
        let again = self.world.relay.verify_badge(BadgeRequest { scope: SCOPE, pass: &second.to_bytes() }, now);
        let second_key = again.holder.context("an honest badge was refused")?;
        ensure!(holder.pseudonym == second_key.pseudonym, "one member has two pseudonyms");
        ensure!(matches!(second_key.chat_key, ChatKey::Second { .. }), "a second chat key went unnoticed");
        let pseudonym = holder.pseudonym.to_string();
        self.report.step(
            "badge",
            &format!(
                "A member shows a badge for a chat key: {} ({elapsed:.2} ms), pseudonym {}... in this room. A second \
                 key of the same deposit has the same pseudonym, and is noticed.",
                answer.verdict.name(),
                &pseudonym[..10]
            ),
            json!({ "verdict": answer.verdict.name(), "pseudonym": pseudonym, "second_key_noticed": true }),
        )
    }

    /// A member withdraws the deposit.
    pub(super) fn member_leaves(&mut self) -> Result<()> {
        let Person { account, index, member, .. } = self.people[LEAVER];
        let stake = member.terms.stake;
        let old_path = self.path(LEAVER)?;
        let receipt = self.world.registry.request_exit(account, index)?;
        self.world.sync()?;
        let refused = self.world.registry.withdraw(account, index, account);
        ensure!(
            matches!(refused, Err(RegistryError::Refused(ContractRefusal::ExitPending { .. }))),
            "a deposit was paid back before its time"
        );
        self.report.step(
            "exit",
            &format!(
                "Another member leaves: out of the tree at once ({} gas), the deposit locked for 7 days; an attempt to \
                 withdraw now is refused.",
                receipt.gas_used
            ),
            json!({ "member": index, "gas": receipt.gas_used }),
        )?;

        self.world.chain.advance(7 * DAY)?;
        self.world.registry.withdraw(account, index, account)?;
        let tokens = self.world.tokens(account)?;
        ensure!(tokens == u64::from(stake), "{tokens} tokens came back of {stake}");
        self.totals.withdrawn += 1;
        self.report.step(
            "withdraw",
            &format!("Seven days later the deposit of {tokens} tokens is paid back."),
            json!({ "member": index, "tokens": tokens }),
        )?;
        let requirement = self.world.requirement()?;
        let pass = self.pass_on(LEAVER, &old_path, b"still here?", requirement)?.to_bytes();
        self.expect(VerdictKind::StaleRoot, "A post of the member that left", b"still here?", &pass)
    }

    pub(super) fn end(self) -> Result<()> {
        self.report.summary(&self.totals)
    }

    /// Returns the Merkle path of a member in the newest tree.
    fn path(&self, number: usize) -> Result<MemberPath> {
        Ok(self.world.follower.path(self.people[number].index)?)
    }

    /// Makes a pass with message id 1, which is unused in its epoch.
    fn pass_on(
        &mut self,
        number: usize,
        path: &MemberPath,
        message: &[u8],
        requirement: Requirement,
    ) -> Result<PostPass> {
        self.world.pass_on(&self.people[number], path, message, 1, requirement, &mut self.report)
    }

    fn badge(&mut self, chat_key: &[u8]) -> Result<BadgePass> {
        let path = self.path(BADGE_HOLDER)?;
        let person = &self.people[BADGE_HOLDER];
        let membership = person.membership(&path);
        let scope = self.world.scope();
        let today = Day::at(self.world.now()?);
        let requirement = self.world.policy.requirement_on(today);
        let (public, witness) = badge(membership, scope, ChatKeyHash::new(chat_key), requirement)?;
        let proof = self.world.badges.prove(&public, &witness, &mut self.world.rng)?;
        Ok(BadgePass::new(&public, chat_key.to_vec(), proof)?)
    }

    /// Submits a post to the relay, prints the verdict, and checks that it is the expected one.
    fn expect(&mut self, expected: VerdictKind, what: &str, message: &[u8], pass: &[u8]) -> Result<()> {
        let verdict = self.world.judge(message, pass, &mut self.report)?;
        let (name, expected) = (verdict.name(), expected.name());
        let sentence = format!("{what}: {name} ({}).", verdict.gossip().name());
        self.report.step(expected, &sentence, serde_json::to_value(&verdict)?)?;
        ensure!(name == expected, "expected {expected}, the relay said {name}");
        Ok(())
    }
}
