//! Keys and circuits stay together.
#![allow(clippy::unwrap_used, clippy::panic)]

use quotapass_circuits::{
    badge::Badge,
    constraints::{Circuit, CircuitKind, shape::Shape},
    membership::Levels,
    post::Post,
    prover::{PINS, ProvingKey, development_setup, pin},
    slash::Slash,
};

/// The circuit as it is and the development key that it has now, in the form of a pin.
fn current<C: Circuit>() -> (CircuitKind, String, String) {
    let circuit = Shape::of::<C>(Levels::STANDARD).unwrap().hash();
    let key = development_setup::<C>(Levels::STANDARD).unwrap();
    assert_eq!(ProvingKey::checksum(&key.to_bytes()), Some(key.fingerprint()));
    assert!(key.verifying_key().is_development());
    (C::KIND, circuit.to_string(), hex::encode(key.fingerprint()))
}

/// Fails when a circuit changes and its pin does not, or when its development keys come out otherwise.
#[test]
fn circuits_and_development_keys_are_the_pinned_ones() {
    assert_eq!(
        PINS.map(|pin| (pin.kind, pin.circuit.to_string(), hex::encode(pin.development_key))),
        [current::<Post>(), current::<Badge>(), current::<Slash>()],
        "a circuit or its keys have changed: if that is meant, change its pin, and say so in CHANGELOG.md, for every key \
         made before is void"
    );
    assert_eq!(CircuitKind::ALL.map(|kind| pin(kind).kind), CircuitKind::ALL);
}

#[test]
fn a_key_of_another_shape_of_the_circuit_is_refused() {
    let levels = Levels::new(3).unwrap();
    let key = development_setup::<Post>(levels).unwrap();
    assert!(key.verifying_key().is_development());
    let file = key.to_bytes();
    assert!(ProvingKey::from_bytes::<Post>(levels, &file).is_ok());
    // The header says 11 levels, the circuit hash is that of 3.
    let mut relabelled = file.clone();
    relabelled[11] = 11;
    let error = ProvingKey::from_bytes::<Post>(Levels::STANDARD, &relabelled).unwrap_err();
    assert!(error.to_string().starts_with("the key was made for circuit"), "{error}");
}
