//! Compares shares, nullifiers and recovered secrets with the functions of the `rln` crate, on the same inputs. That
//! crate uses another version of arkworks, so values are converted through bytes.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField, UniformRand};
use quotapass_circuits::{
    identity::IdentitySecret,
    share::{Line, Share, recover},
    signal::{ExternalNullifier, SignalHash},
};
use rln::prelude::{
    CanonicalDeserialize, CanonicalSerialize, PoseidonHash, RLNMerkleProof, RLNProofValues, RLNWitnessInput,
    RecoverSecret, SecretFr, compute_id_secret,
};

type TheirFr = rln::prelude::Fr;

fn theirs(value: Fr) -> TheirFr {
    TheirFr::deserialize_compressed(&value.into_bigint().to_bytes_le()[..]).unwrap()
}

fn ours(value: &TheirFr) -> Fr {
    let mut bytes = Vec::new();
    value.serialize_compressed(&mut bytes).unwrap();
    Fr::from_le_bytes_mod_order(&bytes)
}

fn their_values(secret: Fr, external: Fr, x: Fr, message_id: u16) -> RLNProofValues {
    let witness = RLNWitnessInput::new_single()
        .identity_secret(SecretFr::from(&mut theirs(secret)))
        .user_message_limit(theirs(Fr::from(u16::MAX)))
        .merkle_proof(RLNMerkleProof::new(vec![theirs(Fr::from(1)); 20], vec![0; 20]))
        .x(theirs(x))
        .external_nullifier(theirs(external))
        .message_id(theirs(Fr::from(message_id)))
        .build()
        .unwrap();
    RLNProofValues::from_witness::<PoseidonHash>(&witness)
}

#[test]
fn shares_nullifiers_and_secrets_agree_with_rln() {
    let mut rng = common::rng();
    for message_id in [0, 1, 7, 500, u16::MAX - 1] {
        let [secret, external, x1, x2] = std::array::from_fn(|_| Fr::rand(&mut rng));
        let identity = IdentitySecret::from_field(secret).unwrap();
        let line = Line::new(&identity, ExternalNullifier::from_field(external), message_id);
        let [first, second]: [Share; 2] = [x1, x2].map(|x| line.share(SignalHash::from_field(x).unwrap()));
        let [their_first, their_second] = [x1, x2].map(|x| their_values(secret, external, x, message_id));
        for (share, values) in [(first, &their_first), (second, &their_second)] {
            assert_eq!(share.y.to_field(), ours(&values.y().unwrap()));
            assert_eq!(line.nullifier().to_field(), ours(&values.nullifier().unwrap()));
        }
        let (RLNProofValues::Single(their_first), RLNProofValues::Single(their_second)) = (their_first, their_second)
        else {
            panic!("a single message each");
        };
        assert_eq!(ours(&their_first.recover_secret(&their_second).unwrap()), secret);
        assert_eq!(recover(&first, &second), Ok(identity));

        let point = |share: &Share| (theirs(share.x.to_field()), theirs(share.y.to_field()));
        assert_eq!(ours(&compute_id_secret(point(&first), point(&second)).unwrap()), secret);
        assert!(compute_id_secret(point(&first), point(&first)).is_err() && recover(&first, &first).is_err());
    }
}
