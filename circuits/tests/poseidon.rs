//! Compares Poseidon with another implementation and with the protocol's vectors.
#![allow(clippy::unwrap_used, clippy::panic)]

use ark_bn254::Fr;
use ark_ff::UniformRand;
use light_poseidon::{Poseidon, PoseidonHasher};
use quotapass_circuits::poseidon::{Inputs, Width, hash};

fn agrees<const N: usize>()
where
    Inputs: Width<N>,
{
    let mut rng = ark_std::test_rng();
    let mut other = Poseidon::<Fr>::new_circom(N).unwrap();
    for _ in 0..200 {
        let inputs: [Fr; N] = std::array::from_fn(|_| Fr::rand(&mut rng));
        assert_eq!(hash(&inputs), other.hash(&inputs).unwrap());
    }
    for edge in [Fr::from(0), Fr::from(1), -Fr::from(1)] {
        assert_eq!(hash(&[edge; N]), other.hash(&[edge; N]).unwrap());
    }
}

#[test]
fn agrees_with_light_poseidon() {
    agrees::<1>();
    agrees::<2>();
    agrees::<3>();
    agrees::<4>();
}

#[test]
fn vectors_of_the_protocol() {
    let [one, two, three, four] = [1, 2, 3, 4].map(Fr::from);
    let expected = [
        (hash(&[one]), "18586133768512220936620570745912940619677854269274689475585506675881198879027"),
        (hash(&[one, two]), "7853200120776062878684798364095072458815029376092732009249414926327459813530"),
        (hash(&[one, two, three]), "6542985608222806190361240322586112750744169038454362455181422643027100751666"),
        (
            hash(&[one, two, three, four]),
            "18821383157269793795438455681495246036402687001665670618754263018637548127333",
        ),
    ];
    for (hash, expected) in expected {
        assert_eq!(hash.to_string(), expected);
    }
}
