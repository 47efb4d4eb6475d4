//! The demo's environment: chain, registry, relay and members.

use std::{
    num::{NonZeroU16, NonZeroU32},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use quotapass_circuits::{
    badge::Badge,
    formats::wire::PostPass,
    identity::IdentitySecret,
    membership::{Levels, Member, MemberIndex, MemberPath, MemberTree, Membership},
    post::{Post, post},
    prover::{Prover, RecordProvers},
    requirement::Requirement,
    signal::{ExternalNullifier, Scope, SignalHash},
    slash::Slash,
};
use quotapass_protocol::{Policy, PolicyTable, RootHistory, UnixSeconds, Verdict, note::NoteKey};
use quotapass_registry::{
    Follower, FollowerSettings, RegistryReader, RegistryWriter, Tier, TierNumber,
    alloy_primitives::{Address, U256},
    deployment::RegistryConfig,
    embedded::{ChainSettings, EmbeddedChain, EmbeddedRegistry},
};
use quotapass_relay::{MemoryLog, PostRequest, Relay};
use quotapass_wallet::keys::KeyStore;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;

use super::{
    report::Report,
    square::{SquareKeys, SquareProvers},
};
use crate::keys::{development_prover, development_prover_with_tables};

pub(super) const SCOPE: &str = "lobby";
/// The room with moderation.
pub(super) const SQUARE: &str = "square";
/// The start of the demo's clock: a Friday in January 2027, on the hour.
const BEGINNING: UnixSeconds = UnixSeconds(1_800_000_000);
pub(super) const HOUR: u64 = 3_600;
pub(super) const DAY: u64 = 24 * HOUR;
const EXIT_DELAY: u32 = 7 * DAY as u32;
const REWARD_BPS: u16 = 5_000;
/// Whole tokens locked and messages per epoch granted, by tier.
const TIERS: [(u32, u16); 5] = [(1, 5), (10, 10), (100, 20), (1_000, 50), (10_000, 100)];

/// A member with its account and its secret.
pub(super) struct Person {
    pub(super) secret: IdentitySecret,
    pub(super) account: Address,
    pub(super) index: MemberIndex,
    pub(super) member: Member,
}

impl Person {
    pub(super) fn membership<'a>(&'a self, path: &'a MemberPath) -> Membership<'a> {
        Membership { secret: &self.secret, member: &self.member, path }
    }
}

/// The demo's environment.
pub(super) struct World {
    pub(super) chain: EmbeddedChain,
    pub(super) registry: EmbeddedRegistry,
    pub(super) follower: Follower,
    pub(super) relay: Arc<Relay>,
    pub(super) policy: Policy,
    pub(super) posts: Prover<Post>,
    pub(super) badges: Prover<Badge>,
    pub(super) slashes: Prover<Slash>,
    pub(super) square: SquareProvers,
    /// The keys of the room with moderation, until it opens.
    pub(super) square_keys: Option<(SquareKeys, NoteKey)>,
    pub(super) rng: StdRng,
    token: Address,
    unit: U256,
}

pub(super) fn address(number: u64) -> Address {
    Address::left_padding_from(&(0x1000 + number).to_be_bytes())
}

/// Returns the account of the relay's operator.
pub(super) fn relay_operator() -> Address {
    address(0)
}

impl World {
    /// Loads the keys, deploys the contracts and starts a relay.
    pub(super) fn set_up(store: &KeyStore, seed: u64, report: &mut Report) -> Result<Self> {
        let begun = Instant::now();
        let posts = development_prover_with_tables(store, Post::STANDARD)?;
        let badges = development_prover(store, Badge::STANDARD)?;
        let slashes = development_prover(store, Slash)?;
        let square = SquareProvers::development(store)?;
        report.step(
            "keys",
            &format!("Keys are ready: {}. They are good for this demo and nothing else.", posts.origin()),
            json!({ "origin": posts.origin().to_string(), "seconds": begun.elapsed().as_secs_f64() }),
        )?;

        let chain = EmbeddedChain::in_memory(ChainSettings { chain_id: 31_337, timestamp: BEGINNING });
        let deployer = relay_operator();
        let token = chain.deploy_token(deployer)?;
        let verifier = chain.deploy_slash_verifier(deployer, &slashes.verifying_key())?;
        let unit = U256::from(10).pow(U256::from(18));
        let tiers = TIERS.map(|(stake, message_limit)| Tier { amount: U256::from(stake) * unit, stake, message_limit });
        let config = RegistryConfig {
            token,
            tiers: tiers.to_vec(),
            // The fee deters attackers who fill the tree, and a local chain has none.
            fee: U256::ZERO,
            exit_delay: EXIT_DELAY,
            reward_bps: REWARD_BPS,
            treasury: None,
            verifier,
            gate: None,
        };
        let registry = chain.deploy_registry(deployer, &config)?;
        let info = registry.info()?;
        report.step(
            "deploy",
            &format!(
                "An embedded chain runs the registry's bytecode: {} tiers of 1 to 10,000 {}, {} days to leave, half \
                 of a slashed deposit for the slasher, the rest burnt.",
                info.tiers.len(),
                info.token.symbol,
                u64::from(info.exit_delay) / DAY
            ),
            json!({
                "chain_id": registry.id().chain_id,
                "registry": Address::from(registry.id().address),
                "token": info.token.address,
                "tiers": info.tiers.len(),
                "exit_delay_seconds": info.exit_delay,
                "reward_bps": info.reward_bps,
            }),
        )?;

        let policy = Policy {
            name: SCOPE.into(),
            epoch_seconds: NonZeroU32::new(600).context("an epoch has zero seconds")?,
            limit_cap: NonZeroU16::new(5).context("the limit cap is zero")?,
            min_stake: 1,
            min_age_days: 1,
            root_window: HOUR as u32,
            max_clock_skew: 20,
            stake_levels: Vec::new(),
            moderation: None,
        };
        let mut rng = StdRng::seed_from_u64(seed);
        let square_keys = SquareKeys::generate(&mut rng)?;
        let policies = PolicyTable::new(registry.id(), [policy.clone(), square_keys.0.policy(&policy)?])?;
        let log = Arc::new(MemoryLog::new());
        let relay = Relay::new(posts.verifier()?, badges.verifier()?, policies, RootHistory::new(), log);
        let RecordProvers { small, large } = &square.records;
        let large = large.as_ref().context("the key of large segments is missing")?;
        let relay = relay.with_records(small.verifier()?, large.verifier()?).with_author(square.authors.verifier()?);
        let settings = FollowerSettings { history: Duration::MAX, ..FollowerSettings::default() };
        let follower = Follower::in_memory(registry.id(), settings)?;
        let (relay, square_keys) = (Arc::new(relay), Some(square_keys));
        Ok(Self {
            chain,
            registry,
            follower,
            relay,
            policy,
            posts,
            badges,
            slashes,
            square,
            square_keys,
            rng,
            token,
            unit,
        })
    }

    /// Returns the time of the chain's clock, which all parts of the demo use.
    pub(super) fn now(&self) -> Result<UnixSeconds> {
        Ok(self.chain.now()?)
    }

    pub(super) fn scope(&self) -> Scope {
        self.scope_of(SCOPE)
    }

    fn scope_of(&self, name: &str) -> Scope {
        Scope::new(&self.registry.id(), name)
    }

    /// Returns the balance of an account in whole tokens.
    pub(super) fn tokens(&self, account: Address) -> Result<u64> {
        Ok(u64::try_from(self.registry.balance_of(account)? / self.unit)?)
    }

    /// A new member gets tokens, approves and deposits. Returns the member and the gas of the deposit.
    pub(super) fn deposit(&mut self, number: u64) -> Result<(Person, u64)> {
        let secret = IdentitySecret::generate(&mut self.rng);
        let account = address(number + 1);
        let tier = TierNumber((number % TIERS.len() as u64) as u8);
        let amount = self.registry.info()?.tier(tier).context("the tier does not exist")?.amount;
        self.chain.mint(self.token, account, amount)?;
        self.registry.approve(account, amount)?;
        let receipt = self.registry.deposit(account, secret.commitment(), tier)?;
        let index = receipt.added().context("the deposit added no member")?;
        let member = self.registry.member_at(index)?.context("the new member is not in the registry")?;
        Ok((Person { secret, account, index, member }, receipt.gas_used))
    }

    /// Relay and wallets read the chain: the tree follows the events, its root is checked against the contract's, and
    /// the relay learns when each root was superseded. Returns the number of events.
    pub(super) fn sync(&mut self) -> Result<usize> {
        let synced = self.follower.sync(&self.registry)?;
        for change in &synced.roots {
            self.relay.advance_root(change.root, change.since);
        }
        Ok(synced.changes.len())
    }

    /// Makes a pass for a message of the current epoch, on the newest root.
    pub(super) fn pass(&mut self, person: &Person, message: &[u8], id: u16, report: &mut Report) -> Result<PostPass> {
        let path = self.follower.path(person.index)?;
        self.pass_on(person, &path, message, id, self.requirement()?, report)
    }

    /// Makes a pass for a message of the current epoch in another room, on the newest root.
    pub(super) fn pass_in(
        &mut self,
        scope: &str,
        person: &Person,
        message: &[u8],
        id: u16,
        report: &mut Report,
    ) -> Result<PostPass> {
        let (path, scope) = (self.follower.path(person.index)?, self.scope_of(scope));
        self.prove_in(scope, person, &path, message, id, self.requirement()?, report)
    }

    /// Returns the policy's requirement for a post of the current epoch.
    pub(super) fn requirement(&self) -> Result<Requirement> {
        Ok(self.policy.requirement(self.policy.epoch_at(self.now()?)))
    }

    /// Makes a pass with any path and any requirement.
    pub(super) fn pass_on(
        &mut self,
        person: &Person,
        path: &MemberPath,
        message: &[u8],
        id: u16,
        requirement: Requirement,
        report: &mut Report,
    ) -> Result<PostPass> {
        self.prove_in(self.scope(), person, path, message, id, requirement, report)
    }

    #[allow(clippy::too_many_arguments, reason = "one for each part of the statement")]
    fn prove_in(
        &mut self,
        scope: Scope,
        person: &Person,
        path: &MemberPath,
        message: &[u8],
        id: u16,
        requirement: Requirement,
        report: &mut Report,
    ) -> Result<PostPass> {
        let epoch = self.policy.epoch_at(self.now()?);
        let begun = Instant::now();
        let external = ExternalNullifier::new(scope, epoch);
        let x = SignalHash::new(scope, epoch, message)?;
        let cap = self.policy.limit_cap;
        let (public, witness) = post(person.membership(path), external, x, requirement, cap, id)?;
        let proof = self.posts.prove(&public, &witness, &mut self.rng)?;
        report.proved(begun.elapsed());
        Ok(PostPass::new(epoch, &public, proof))
    }

    /// Returns the relay's verdict on a message with the bytes of its pass.
    pub(super) fn judge(&self, message: &[u8], pass: &[u8], report: &mut Report) -> Result<Verdict> {
        let now = self.now()?;
        let begun = Instant::now();
        let verdict = self.relay.verify_post(PostRequest { scope: SCOPE, message, pass }, now);
        report.judged(&verdict, begun.elapsed());
        Ok(verdict)
    }

    /// Returns a made-up tree with one member.
    pub(super) fn made_up_tree(person: &Person) -> Result<MemberTree> {
        let mut tree = MemberTree::new(Levels::STANDARD);
        tree.append(person.member)?;
        Ok(tree)
    }
}
