//! Checks that keys match their circuits.
#![allow(clippy::unwrap_used, clippy::panic)]

use quotapass_circuits::{
    badge::Badge,
    constraints::{Circuit, CircuitKind, shape::Shape},
    membership::Levels,
    moderation::{author::Author, record::Record},
    pins::{PINS, pin},
    post::Post,
    prover::{KeyOrigin, ProvingKey, development_setup},
    slash::Slash,
};

/// Returns the hashes of the current circuit and of its current development key, in the form of a pin.
fn current<C: Circuit>() -> (CircuitKind, String, String) {
    let circuit = Shape::of(C::STANDARD).unwrap().hash();
    let key = development_setup(C::STANDARD).unwrap();
    assert_eq!(key.origin(), KeyOrigin::Development);
    assert!(key.verifying_key().is_development());
    (C::KIND, circuit.to_string(), key.id().to_string())
}

/// Fails if a circuit or its development key changes but its pin does not.
#[test]
fn circuits_and_development_keys_are_the_pinned_ones() {
    assert_eq!(
        PINS.map(|pin| (pin.kind, pin.circuit.to_string(), pin.development_key.to_string())),
        [
            current::<Post>(),
            current::<Badge>(),
            current::<Slash>(),
            current::<Author>(),
            current::<Record<16>>(),
            current::<Record<128>>(),
        ],
        "a circuit or its keys have changed: if this is intended, change its pin and mention it in CHANGELOG.md, \
         because all existing keys become invalid"
    );
    assert_eq!(CircuitKind::ALL.map(|kind| pin(kind).kind), CircuitKind::ALL);
}

/// Apps load the key of `record128` only where a list needs it, over the network.
#[test]
fn the_key_of_record128_has_at_most_ten_megabytes() {
    let key = development_setup(Record::<128>).unwrap();
    let file = key.to_bytes();
    println!("the key of record128 has {} bytes", file.len());
    assert!(file.len() <= 10_000_000);
    assert_eq!(ProvingKey::from_bytes_standard::<Record<128>>(&file).unwrap().id(), key.id());
    let small = development_setup(Record::<16>).unwrap().to_bytes();
    let error = ProvingKey::from_bytes_standard::<Record<128>>(&small).unwrap_err();
    assert_eq!(error.to_string(), "the key file is for the circuit `record16`, not `record128`");
}

#[test]
fn a_key_of_another_shape_of_the_circuit_is_refused() {
    let levels = Levels::new(3).unwrap();
    let key = development_setup(Post { levels }).unwrap();
    assert!(key.verifying_key().is_development());
    let file = key.to_bytes();
    assert!(ProvingKey::from_bytes(Post { levels }, &file).is_ok());
    // The header has 11 levels, but the circuit hash is that of 3 levels.
    let mut relabelled = file.clone();
    relabelled[11] = 11;
    let error = ProvingKey::from_bytes(Post::STANDARD, &relabelled).unwrap_err();
    assert!(error.to_string().starts_with("the key was made for circuit"), "{error}");
}
