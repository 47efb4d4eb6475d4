//! Messages and passes, made in advance on all cores and stored in files.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use quotapass_circuits::{
    formats::wire::PostPass,
    membership::{MemberIndex, Membership, TreeError},
    post::Post,
    prover::{PreparedProver, Prover},
    signal::{ExternalNullifier, SignalHash},
};
use quotapass_wallet::keys::KeyStore;
use rand::rngs::OsRng;
use rayon::prelude::*;

use crate::{
    LoadError, LoadProgress, Observe,
    passes::{PassBytes, PassFile},
    plan::{Item, Plan},
    registry::{HONEST_MEMBERS, LoadRegistry, MESSAGE_LIMIT, SPAMMERS},
};

/// Number of passes that are proved before they are written to the file.
const WRITTEN_AT_ONCE: usize = 16;

/// The messages and passes of a load.
pub(crate) struct Material {
    seed: u64,
    honest: Vec<PassBytes>,
    /// Two passes per spammer.
    halves: Vec<PassBytes>,
}

impl Material {
    /// Reads the passes of a plan, and makes the missing ones.
    pub(crate) fn for_plan(
        keys: &KeyStore,
        registry: &LoadRegistry,
        plan: &Plan,
        progress: Observe<'_>,
    ) -> Result<Self, LoadError> {
        let quota = HONEST_MEMBERS * u32::from(MESSAGE_LIMIT);
        if plan.honest > quota {
            return Err(LoadError::Quota { needed: plan.honest, quota });
        }
        if plan.pairs > SPAMMERS {
            return Err(LoadError::Spammers { needed: plan.pairs, spammers: SPAMMERS });
        }
        let open = |name| PassFile::open(&registry.folder.join(name), &format!("{} {name}", registry.origin()));
        let (mut honest, mut halves) = (open("honest.passes")?, open("spam.passes")?);
        let (known_honest, known_halves) = (honest.passes().len() as u32, halves.passes().len() as u32);
        let missing_honest = known_honest..plan.honest.max(known_honest);
        let missing_halves = known_halves..(2 * plan.pairs).max(known_halves);
        if !missing_honest.is_empty() || !missing_halves.is_empty() {
            let report = |made| progress(LoadProgress::Key(made));
            let prover = keys.development_prover_with_tables(Post::STANDARD, report)?;
            let all = (missing_honest.len() + missing_halves.len()) as u64;
            let maker = Maker { registry, prover, progress, done: AtomicU64::new(0), all };
            maker.honest(missing_honest, &mut honest)?;
            maker.halves(missing_halves, &mut halves)?;
        }
        Ok(Self { seed: registry.seed, honest: honest.passes().to_vec(), halves: halves.passes().to_vec() })
    }

    /// Returns the message and the pass of an item; `None` if its pass was not made.
    pub(crate) fn post(&self, item: Item) -> Option<(String, &PassBytes)> {
        let pass = match item {
            Item::Honest(number) | Item::Forgery(number) => self.honest.get(number as usize),
            Item::Half { pair, second } => self.halves.get(2 * pair as usize + usize::from(second)),
        };
        Some((message(self.seed, item), pass?))
    }
}

/// Returns the message of an item, which differs from all others.
fn message(seed: u64, item: Item) -> String {
    match item {
        Item::Honest(number) => format!("message {number} of load {seed}"),
        Item::Half { pair, second: false } => format!("what spammer {pair} says first, load {seed}"),
        Item::Half { pair, .. } => format!("what spammer {pair} says then, load {seed}"),
        Item::Forgery(number) => format!("put in the place of message {number} of load {seed}"),
    }
}

/// Makes the passes.
struct Maker<'a> {
    registry: &'a LoadRegistry,
    prover: Prover<Post>,
    progress: Observe<'a>,
    /// Number of passes that are made, and of all missing passes.
    done: AtomicU64,
    all: u64,
}

impl Maker<'_> {
    /// Makes honest passes, member by member, each up to its quota.
    fn honest(&self, missing: Range<u32>, file: &mut PassFile) -> Result<(), LoadError> {
        let limit = u32::from(MESSAGE_LIMIT);
        let mut next = missing.start;
        while next < missing.end {
            let member = next / limit;
            let end = missing.end.min((member + 1) * limit);
            let prover = self.prepare(member)?;
            let numbers: Vec<u32> = (next..end).collect();
            for numbers in numbers.chunks(WRITTEN_AT_ONCE) {
                let prove = |number: &u32| self.prove(&prover, Item::Honest(*number), (number % limit) as u16);
                file.append(&numbers.par_iter().map(prove).collect::<Result<Vec<_>, _>>()?)?;
            }
            next = end;
        }
        Ok(())
    }

    /// Makes the passes of spammers, two each. After an interruption, one spammer may lack only the second.
    fn halves(&self, missing: Range<u32>, file: &mut PassFile) -> Result<(), LoadError> {
        let numbers: Vec<u32> = missing.collect();
        for numbers in numbers.chunks(WRITTEN_AT_ONCE) {
            let pairs: Vec<_> = numbers.chunk_by(|a, b| a / 2 == b / 2).collect();
            let prove = |numbers: &&[u32]| -> Result<Vec<PassBytes>, LoadError> {
                let pair = numbers[0] / 2;
                let prover = self.prepare(HONEST_MEMBERS + pair)?;
                let half = |number: &u32| self.prove(&prover, Item::Half { pair, second: number % 2 == 1 }, 0);
                numbers.iter().map(half).collect()
            };
            file.append(&pairs.par_iter().map(prove).collect::<Result<Vec<_>, _>>()?.concat())?;
        }
        Ok(())
    }

    fn prepare(&self, member: u32) -> Result<PreparedProver, LoadError> {
        let LoadRegistry { tree, policy, epoch, .. } = self.registry;
        let index = MemberIndex(member);
        let (secret, path) = (self.registry.secret(index)?, tree.path(index).map_err(LoadError::post)?);
        let member = tree.member(index).ok_or_else(|| LoadError::post(TreeError::NoSuchIndex(index)))?;
        let membership = Membership { secret: &secret, member: &member, path: &path };
        self.prover.prepare(membership, policy.requirement(*epoch), policy.limit_cap).map_err(LoadError::post)
    }

    fn prove(&self, prover: &PreparedProver, item: Item, message_id: u16) -> Result<PassBytes, LoadError> {
        let (scope, epoch) = (self.registry.scope(), self.registry.epoch);
        let x = SignalHash::new(scope, epoch, message(self.registry.seed, item).as_bytes()).map_err(LoadError::post)?;
        let (public, proof) =
            prover.prove(ExternalNullifier::new(scope, epoch), x, message_id, &mut OsRng).map_err(LoadError::post)?;
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        (self.progress)(LoadProgress::Passes { done, all: self.all });
        Ok(PostPass::new(epoch, &public, proof).to_bytes())
    }
}
