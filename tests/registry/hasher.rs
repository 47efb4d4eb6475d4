//! Compares the hash of the contract's tree with that of the circuits.

use std::sync::OnceLock;

use proptest::prelude::*;
use quotapass_circuits::{membership::Root, poseidon};
use quotapass_registry::{
    RegistryReader,
    alloy_primitives::{Address, Bytes, keccak256},
    node::{Call, Node},
};
use quotapass_testkit::bench::EmbeddedBench;

/// The field's order minus one.
const LARGEST: [u8; 32] = [
    0x30, 0x64, 0x4e, 0x72, 0xe1, 0x31, 0xa0, 0x29, 0xb8, 0x50, 0x45, 0xb6, 0x81, 0x81, 0x58, 0x5d, 0x28, 0x33, 0xe8,
    0x48, 0x79, 0xb9, 0x70, 0x91, 0x43, 0xe1, 0xf5, 0x93, 0xf0, 0x00, 0x00, 0x00,
];

fn call(bench: &EmbeddedBench, to: Address, signature: &str, arguments: &[[u8; 32]]) -> Bytes {
    let data = [&keccak256(signature)[..4], &arguments.concat()].concat();
    let (_, answers) = bench.registry.node().call(&[Call { to, data: data.into() }]).unwrap();
    answers[0].clone()
}

/// A chain with a registry, and the contract that the registry hashes with.
fn hasher() -> &'static (EmbeddedBench, Address) {
    static HASHER: OnceLock<(EmbeddedBench, Address)> = OnceLock::new();
    HASHER.get_or_init(|| {
        let bench = EmbeddedBench::new();
        let word = call(&bench, bench.registry.id().address.into(), "hasher()", &[]);
        let hasher = Address::from_slice(&word[12..]);
        (bench, hasher)
    })
}

fn assert_equal(inputs: [[u8; 32]; 4]) {
    let (bench, hasher) = hasher();
    let hash = call(bench, *hasher, "hash4(uint256,uint256,uint256,uint256)", &inputs);
    let fields = inputs.map(|bytes| Root::from_be_bytes(&bytes).unwrap().to_field());
    assert_eq!(&hash[..], Root::from_field(poseidon::hash(&fields)).to_be_bytes());
}

/// A random field element, or one for which a sum without reduction is smallest or largest.
fn element() -> impl Strategy<Value = [u8; 32]> {
    prop_oneof![
        8 => any::<[u8; 32]>().prop_map(|mut bytes| {
            // Below 2^253, which is below the order.
            bytes[0] &= 0x1f;
            bytes
        }),
        1 => Just([0; 32]),
        1 => Just(LARGEST),
    ]
}

#[test]
fn the_hash_is_right_at_the_edges_of_the_field() {
    for choice in 0..16u8 {
        assert_equal([0, 1, 2, 3].map(|i| if choice >> i & 1 == 1 { LARGEST } else { [0; 32] }));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_contract_hashes_as_the_circuits_do(inputs in [element(), element(), element(), element()]) {
        assert_equal(inputs);
    }
}
