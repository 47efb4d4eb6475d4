//! The same with the crate `rln`: a member of a tree of depth 20, and its proofs.

use ark_std::rand::{SeedableRng, rngs::StdRng};
use rln::prelude::{
    ArkGroth16Backend, CanonicalDeserialize, CanonicalSerialize, Fr, IdentityKeys, PartialProof, PoseidonHash, Proof,
    RLN, RLNBuilder, RLNMerkleProof, RLNPartialWitnessInput, RLNProof, RLNProofValues, RLNWitnessInput, Stateless,
};
use zerokit_utils::{
    hasher::ZerokitHasher,
    merkle_tree::{FullMerkleTree, ZerokitMerkleProof, ZerokitMerkleTree},
};

use super::ours::LIMIT;

pub type Tree = FullMerkleTree<PoseidonHash>;
pub const DEPTH: usize = 20;

pub struct Theirs {
    pub rln: RLN<Stateless, ArkGroth16Backend<PoseidonHash>>,
    keys: IdentityKeys,
    path: RLNMerkleProof,
    message_id: u16,
}

impl Theirs {
    pub fn new() -> Self {
        let keys = IdentityKeys::generate::<PoseidonHash, _>(&mut StdRng::seed_from_u64(1));
        let mut tree = Tree::default(DEPTH).unwrap();
        tree.set(0, PoseidonHash::hash(&[keys.id_commitment(), Fr::from(LIMIT)])).unwrap();
        let path = tree.proof(0).unwrap();
        let path = RLNMerkleProof::new(path.get_path_elements(), path.get_path_index());
        Self { rln: RLNBuilder::stateless().build(), keys, path, message_id: 0 }
    }

    fn witness(&mut self) -> RLNWitnessInput {
        self.message_id = (self.message_id + 1) % LIMIT;
        RLNWitnessInput::new_single()
            .identity_secret(self.keys.identity_secret())
            .user_message_limit(Fr::from(LIMIT))
            .merkle_proof(self.path.clone())
            .x(Fr::from(123_456_789_u64))
            .external_nullifier(Fr::from(77_u64))
            .message_id(Fr::from(self.message_id))
            .build()
            .unwrap()
    }

    /// Proves a message with only keys and a path prepared.
    pub fn prove(&mut self) -> (Proof, RLNProofValues) {
        let witness = self.witness();
        self.rln.generate_proof(&witness).unwrap()
    }

    pub fn prepare(&mut self) -> PartialProof {
        let witness = RLNPartialWitnessInput::from(&self.witness());
        self.rln.generate_partial_proof(&witness).unwrap()
    }

    /// Proves a message with a prepared partial proof.
    pub fn finish(&mut self, prepared: &PartialProof) -> (Proof, RLNProofValues) {
        let witness = self.witness();
        self.rln.finish_proof(prepared, &witness).unwrap()
    }

    /// Returns a proof as sent on the wire.
    pub fn message(&mut self) -> Vec<u8> {
        let (proof, values) = self.prove();
        let mut bytes = Vec::new();
        RLNProof::new(proof, values).serialize_compressed(&mut bytes).unwrap();
        bytes
    }

    pub fn decode_and_verify(&self, message: &[u8]) {
        let message = RLNProof::deserialize_compressed(message).unwrap();
        assert!(self.rln.verify(&message.proof, &message.values).unwrap());
    }
}

/// Returns the leaf of a number.
pub fn leaf(number: usize) -> Fr {
    Fr::from(number as u64 + 1)
}
