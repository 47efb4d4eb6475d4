//! Messages and passes, made in advance on all cores and stored in files.

use std::ops::Range;

use anyhow::{Context as _, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use quotapass_circuits::{
    formats::wire::PostPass,
    membership::{Levels, MemberIndex, Membership},
    post::Post,
    prover::{PreparedProver, Prover},
    signal::{ExternalNullifier, SignalHash},
};
use rand::rngs::OsRng;
use rayon::prelude::*;

use super::{
    passes::{PassBytes, PassFile},
    plan::{Item, Plan},
    registry::{BenchRegistry, HONEST_MEMBERS, MESSAGE_LIMIT, SPAMMERS},
};
use crate::{context::Context, keys::development_prover_with_tables};

/// Number of passes that are proved before they are written to the file.
const WRITTEN_AT_ONCE: usize = 16;

/// The messages and passes of a load.
pub(super) struct Material {
    seed: u64,
    honest: Vec<PassBytes>,
    /// Two passes per spammer.
    halves: Vec<PassBytes>,
}

impl Material {
    /// Reads the passes of a plan, and makes the missing ones.
    pub(super) fn for_plan(context: &Context, registry: &BenchRegistry, plan: &Plan) -> Result<Self> {
        let honest_at_most = HONEST_MEMBERS * u32::from(MESSAGE_LIMIT);
        ensure!(
            plan.honest <= honest_at_most,
            "this load needs {} honest posts, but all members together have a quota of {honest_at_most}; send fewer \
             posts, or more replays",
            plan.honest
        );
        ensure!(
            plan.pairs <= SPAMMERS,
            "this load needs {} spammers, but there are {SPAMMERS}; lower --conflicts",
            plan.pairs
        );
        let open = |name| PassFile::open(&registry.folder.join(name), &format!("{} {name}", registry.origin()));
        let (mut honest, mut halves) = (open("honest.passes")?, open("spam.passes")?);
        let (known_honest, known_halves) = (honest.passes().len() as u32, halves.passes().len() as u32);
        let missing_honest = known_honest..plan.honest.max(known_honest);
        let missing_halves = known_halves..(2 * plan.pairs).max(known_halves);
        if !missing_honest.is_empty() || !missing_halves.is_empty() {
            let prover = development_prover_with_tables::<Post>(&context.development_keys()?, Levels::STANDARD)?;
            let maker = Maker { registry, prover, bar: bar(missing_honest.len() + missing_halves.len()) };
            maker.honest(missing_honest, &mut honest)?;
            maker.halves(missing_halves, &mut halves)?;
            maker.bar.finish_and_clear();
        }
        Ok(Self { seed: registry.seed, honest: honest.passes().to_vec(), halves: halves.passes().to_vec() })
    }

    /// Returns the message and the pass of an item; `None` if its pass was not made.
    pub(super) fn post(&self, item: Item) -> Option<(Vec<u8>, &PassBytes)> {
        let pass = match item {
            Item::Honest(number) | Item::Forgery(number) => self.honest.get(number as usize),
            Item::Half { pair, second } => self.halves.get(2 * pair as usize + usize::from(second)),
        };
        Some((message(self.seed, item), pass?))
    }
}

/// Returns the message of an item, which differs from all others.
fn message(seed: u64, item: Item) -> Vec<u8> {
    match item {
        Item::Honest(number) => format!("message {number} of load {seed}"),
        Item::Half { pair, second: false } => format!("what spammer {pair} says first, load {seed}"),
        Item::Half { pair, .. } => format!("what spammer {pair} says then, load {seed}"),
        Item::Forgery(number) => format!("put in the place of message {number} of load {seed}"),
    }
    .into_bytes()
}

/// Makes the passes.
struct Maker<'a> {
    registry: &'a BenchRegistry,
    prover: Prover<Post>,
    bar: ProgressBar,
}

impl Maker<'_> {
    /// Makes honest passes, member by member, each up to its quota.
    fn honest(&self, missing: Range<u32>, file: &mut PassFile) -> Result<()> {
        let limit = u32::from(MESSAGE_LIMIT);
        let mut next = missing.start;
        while next < missing.end {
            let member = next / limit;
            let end = missing.end.min((member + 1) * limit);
            let prover = self.prepare(member)?;
            let numbers: Vec<u32> = (next..end).collect();
            for numbers in numbers.chunks(WRITTEN_AT_ONCE) {
                let prove = |number: &u32| self.prove(&prover, Item::Honest(*number), (number % limit) as u16);
                file.append(&numbers.par_iter().map(prove).collect::<Result<Vec<_>>>()?)?;
            }
            next = end;
        }
        Ok(())
    }

    /// Makes the passes of spammers, two each. After an interruption, one spammer may lack only the second.
    fn halves(&self, missing: Range<u32>, file: &mut PassFile) -> Result<()> {
        let numbers: Vec<u32> = missing.collect();
        for numbers in numbers.chunks(WRITTEN_AT_ONCE) {
            let pairs: Vec<_> = numbers.chunk_by(|a, b| a / 2 == b / 2).collect();
            let prove = |numbers: &&[u32]| -> Result<Vec<PassBytes>> {
                let pair = numbers[0] / 2;
                let prover = self.prepare(HONEST_MEMBERS + pair)?;
                let half = |number: &u32| self.prove(&prover, Item::Half { pair, second: number % 2 == 1 }, 0);
                numbers.iter().map(half).collect()
            };
            file.append(&pairs.par_iter().map(prove).collect::<Result<Vec<_>>>()?.concat())?;
        }
        Ok(())
    }

    fn prepare(&self, member: u32) -> Result<PreparedProver> {
        let BenchRegistry { tree, policy, epoch, .. } = self.registry;
        let index = MemberIndex(member);
        let (secret, path) = (self.registry.secret(index)?, tree.path(index)?);
        let member = tree.member(index).context("the member is not in the tree")?;
        let membership = Membership { secret: &secret, member: &member, path: &path };
        Ok(self.prover.prepare(membership, policy.requirement(*epoch), policy.limit_cap)?)
    }

    fn prove(&self, prover: &PreparedProver, item: Item, message_id: u16) -> Result<PassBytes> {
        let (scope, epoch) = (self.registry.scope(), self.registry.epoch);
        let x = SignalHash::new(scope, epoch, &message(self.registry.seed, item))?;
        let (public, proof) = prover.prove(ExternalNullifier::new(scope, epoch), x, message_id, &mut OsRng)?;
        self.bar.inc(1);
        Ok(PostPass::new(epoch, &public, proof).to_bytes())
    }
}

fn bar(length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos} of {len} proofs, {per_sec}, {eta} left");
    // The template is constant and valid; the fallback avoids a panic.
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length as u64).with_style(style)
}
