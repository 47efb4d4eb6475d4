//! The verifiers without a relay, on all cores.

use std::{
    num::{NonZeroU16, NonZeroU32},
    time::{Duration, Instant},
};

use quotapass_circuits::{
    formats::wire::PostPass,
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberTree, Membership, Terms},
    post::Post,
    prover::{Prover, development_setup},
    registry_id::RegistryId,
    requirement::Requirement,
    signal::{Epoch, ExternalNullifier, Scope, SignalHash},
};
use quotapass_protocol::UnixSeconds;
use rand::{SeedableRng, rngs::StdRng};
use rayon::prelude::*;
use rln::prelude::{Fr, IdentityKeys, PoseidonHash, RLNBuilder, RLNMerkleProof, RLNWitnessInput};
use zerokit_utils::{
    hasher::ZerokitHasher,
    merkle_tree::{FullMerkleTree, ZerokitMerkleProof, ZerokitMerkleTree},
};

/// Time that each verifier runs in a round.
const ROUND: Duration = Duration::from_secs(2);

type Work = Box<dyn Fn() + Sync>;

/// Our batch verifier and `rln`'s verifier of one proof, each with proofs to verify.
pub struct Verifiers {
    batch_size: u16,
    batch: Work,
    rln: Work,
}

impl Verifiers {
    pub fn new(batch_size: u16) -> Self {
        Self { batch_size, batch: ours(batch_size), rln: theirs() }
    }

    /// Returns the passes decoded and verified a second, batch after batch on every core.
    pub fn batch(&self) -> f64 {
        rate(&self.batch) * f64::from(self.batch_size)
    }

    /// Returns the same on `threads` threads.
    pub fn batch_on(&self, threads: usize) -> f64 {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| self.batch())
    }

    /// Returns the calls of `verify` a second, one after the other on every core.
    pub fn rln(&self) -> f64 {
        rate(&self.rln)
    }
}

/// Returns how often a second all threads together do the work.
fn rate(work: &Work) -> f64 {
    let begun = Instant::now();
    let threads = rayon::current_num_threads();
    let count: u32 = (0..threads)
        .into_par_iter()
        .map(|_| {
            let mut count = 0;
            while count == 0 || begun.elapsed() < ROUND {
                work();
                count += 1;
            }
            count
        })
        .sum();
    f64::from(count) / begun.elapsed().as_secs_f64()
}

fn ours(batch_size: u16) -> Work {
    let mut rng = StdRng::seed_from_u64(1);
    let secret = IdentitySecret::generate(&mut rng);
    let member = Member { commitment: secret.commitment(), terms: Terms::new(10, batch_size, Day(20_000)).unwrap() };
    let mut tree = MemberTree::new(Levels::STANDARD);
    tree.append(member).unwrap();
    let path = tree.path(MemberIndex(0)).unwrap();
    let scope = Scope::new(&RegistryId { chain_id: 1, address: [1; 20] }, "bench");
    let epoch = Epoch::at(NonZeroU32::new(600).unwrap(), UnixSeconds(1_800_000_000));
    let prover = Prover::<Post>::new(development_setup(Post::STANDARD).unwrap()).unwrap();
    let membership = Membership { secret: &secret, member: &member, path: &path };
    let requirement = Requirement { min_stake: 1, since_max: Day(20_001) };
    let prepared = prover.prepare(membership, requirement, NonZeroU16::new(batch_size).unwrap()).unwrap();
    let message = |id: u16| format!("message {id}").into_bytes();
    let pass = |id: u16| {
        let x = SignalHash::new(scope, epoch, &message(id)).unwrap();
        let rng = &mut StdRng::seed_from_u64(id.into());
        let (public, proof) = prepared.prove(ExternalNullifier::new(scope, epoch), x, id, rng).unwrap();
        PostPass::new(epoch, &public, proof).to_bytes()
    };
    let passes: Vec<_> = (0..batch_size).map(|id| (message(id), pass(id))).collect();
    let verifier = prover.verifier().unwrap();
    Box::new(move || {
        let bytes: Vec<_> = passes.iter().map(|(_, pass)| pass.as_slice()).collect();
        let decoded = PostPass::from_bytes_many(&bytes).into_iter().zip(&passes).map(|(pass, (message, _))| {
            let pass = pass.unwrap();
            (pass.public(scope, message).unwrap(), pass.proof)
        });
        let batch: Vec<_> = decoded.collect();
        verifier.verify_batch(&batch).unwrap();
    })
}

fn theirs() -> Work {
    let rln = RLNBuilder::stateless().build();
    let keys = IdentityKeys::generate::<PoseidonHash, _>(&mut StdRng::seed_from_u64(1));
    let limit = Fr::from(100u64);
    let mut tree = FullMerkleTree::<PoseidonHash>::default(20).unwrap();
    tree.set(0, PoseidonHash::hash(&[keys.id_commitment(), limit])).unwrap();
    let path = tree.proof(0).unwrap();
    let witness = RLNWitnessInput::new_single()
        .identity_secret(keys.identity_secret())
        .user_message_limit(limit)
        .merkle_proof(RLNMerkleProof::new(path.get_path_elements(), path.get_path_index()))
        .x(Fr::from(123_456_789u64))
        .external_nullifier(Fr::from(77u64))
        .message_id(Fr::from(1u64))
        .build()
        .unwrap();
    let (proof, values) = rln.generate_proof(&witness).unwrap();
    Box::new(move || assert!(rln.verify(&proof, &values).unwrap()))
}
