//! Records of the posts of [`world`](crate::world), for lists of moderation logs.

use std::sync::OnceLock;

use quotapass_circuits::{
    field::FieldError,
    formats::{
        recorded::{ListRecords, ListVersion, RecordedPass},
        wire::PostPass,
    },
    identity::IdentitySecret,
    moderation::{Entry, record::Record},
    prover::{PreparedList, Prover, RecordProvers, development_setup},
    share::Line,
    signal::{Epoch, ExternalNullifier, Scope, SignalHash},
    verifier::Verifier,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

use crate::world::{NOW, Posting, REGISTRY, Sent, policy, scope, world};

/// The provers of records with development keys. Made once in a process.
pub fn record_provers() -> &'static RecordProvers {
    static PROVERS: OnceLock<RecordProvers> = OnceLock::new();
    PROVERS.get_or_init(|| RecordProvers {
        small: Prover::new(development_setup(Record::<16>).unwrap()).unwrap(),
        large: Some(Prover::new(development_setup(Record::<128>).unwrap()).unwrap()),
    })
}

/// Returns the verifiers of records, as a relay takes them.
pub fn record_verifiers() -> (Verifier<Record<16>>, Verifier<Record<128>>) {
    let RecordProvers { small, large } = record_provers();
    (small.verifier().unwrap(), large.as_ref().unwrap().verifier().unwrap())
}

/// Returns the entries of posts of others, who are no members. Other numbers are other posts.
pub fn entries_of_others(numbers: core::ops::Range<u64>) -> Vec<Entry> {
    numbers.map(|number| entry_of_other(number).unwrap()).collect()
}

fn entry_of_other(number: u64) -> Result<Entry, FieldError> {
    let secret = IdentitySecret::generate(&mut ChaCha20Rng::seed_from_u64(1_000 + number));
    let epoch = Epoch::at(policy().epoch_seconds, NOW);
    let line = Line::new(&secret, ExternalNullifier::new(scope(), epoch), 0);
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&(number + 1).to_be_bytes());
    let x = SignalHash::from_be_bytes(&bytes)?;
    Ok(Entry { x, y: line.share(x).y, nullifier: line.nullifier() })
}

impl Posting {
    /// Returns the entry of the post.
    pub fn entry(&self) -> Entry {
        self.entry_of(&self.pass())
    }

    fn entry_of(&self, pass: &PostPass) -> Entry {
        Entry::of(&pass.public(Scope::new(&REGISTRY, &self.scope), &self.message).unwrap())
    }

    /// Proves the post with records for lists, each in a version.
    pub fn prove_with(&self, lists: &[(ListVersion, &[Entry])]) -> Sent {
        let prepare = |(version, list): &(ListVersion, &[Entry])| (*version, prepared_list(self.member, list));
        self.prove_prepared(&lists.iter().map(prepare).collect::<Vec<_>>())
    }

    /// Proves the post with records for prepared lists.
    pub fn prove_prepared(&self, lists: &[(ListVersion, PreparedList)]) -> Sent {
        let (pass, mut rng) = (self.pass(), ChaCha20Rng::seed_from_u64(u64::from(self.message_id)));
        let entry = self.entry_of(&pass);
        let records = lists
            .iter()
            .map(|(version, list)| ListRecords { version: *version, proofs: list.prove(entry, &mut rng).unwrap() });
        let pass = RecordedPass::new(pass, records.collect()).unwrap();
        Sent { scope: self.scope.clone(), ..Sent::new(&self.message, pass.to_bytes()) }
    }
}

/// Returns a prover of the records of a member. The member must not be listed.
pub fn prepared_list(member: usize, list: &[Entry]) -> PreparedList {
    PreparedList::new(record_provers(), &world().secrets[member], list).unwrap()
}
