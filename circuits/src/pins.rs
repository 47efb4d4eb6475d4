//! Pinned hashes of the [standard](crate::constraints::Circuit::STANDARD) circuits, and identifiers of their development
//! keys. Prover and verifier compare with them.

use crate::{
    constraints::{CircuitKind, shape::CircuitHash},
    key_id::KeyId,
};

/// The pinned hash of a circuit, and the pinned identifier of its development key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The circuit.
    pub kind: CircuitKind,
    /// SHA-256 of the circuit's `.r1cs` file.
    pub circuit: CircuitHash,
    /// The identifier of the circuit's development key.
    pub development_key: KeyId,
}

/// The pins of all circuits. A change of a circuit, or of the way its keys are made, must change them. All keys made
/// before are then refused.
pub const PINS: [Pin; 6] = [
    Pin {
        kind: CircuitKind::Post,
        circuit: CircuitHash(hex32(b"cc335b91171bae42478ade0c3723a9abe5e5d1a5a6e1dfb10dd7b20a0cacc9ca")),
        development_key: KeyId(hex32(b"3d6d5827edd43b1a1f96efc9636df8df9d3d3eed1acfe29c9137153f953ea7fb")),
    },
    Pin {
        kind: CircuitKind::Badge,
        circuit: CircuitHash(hex32(b"b171552e274a1288f567e53b4234e700dfa64d7a86dd0f226b483bce0104fff7")),
        development_key: KeyId(hex32(b"bc22a0475864c656ca974941b3f4964e18e39682fefeb9aaf8ce7fdab5684354")),
    },
    Pin {
        kind: CircuitKind::Slash,
        circuit: CircuitHash(hex32(b"fde675b21a66b898a3d429c47b1bdfbcdede458ccfeda1749b40f971e813db5d")),
        development_key: KeyId(hex32(b"b5e2c36a0c6f39de45dcbb5380e5f852c43c5c8f3c55f7ff5d98c9000b06902f")),
    },
    Pin {
        kind: CircuitKind::Author,
        circuit: CircuitHash(hex32(b"7327c0d9edde2ae23bb3d3dfdc6683f7be140a0d237faaca1ef0f232ced582b8")),
        development_key: KeyId(hex32(b"effef95c5f02fca0b5962bc6bc34448706933c99f65d02dea4f3474096cab5bd")),
    },
    Pin {
        kind: CircuitKind::Record16,
        circuit: CircuitHash(hex32(b"d269a95fbb486604688a0299c990e90fadb875ecf1247931cb9a783811ee7951")),
        development_key: KeyId(hex32(b"b39d0bac8dbb8323e410805743b5357640cfd0d7f0e1e82fc4d5beac8a8e347c")),
    },
    Pin {
        kind: CircuitKind::Record128,
        circuit: CircuitHash(hex32(b"922d17db9cc0ca18cbe87ef772f90e5af62230408b0a5b58a54fb3b345aad0e2")),
        development_key: KeyId(hex32(b"93670ff6ed8dccce0405dc217c8319cf44be6b2f4854bd610a7038d3ed6c9cea")),
    },
];

/// The first coordinate of alpha in all development keys, big-endian. It is the same in all of them, because they are
/// made from the same seed.
pub(crate) const DEVELOPMENT_ALPHA: [u8; 32] =
    hex32(b"098d1b35e8955ba7300ffb0b1134ba121017cc84e805fc916f47f42478d8f729");

/// Returns the pin of a circuit.
pub fn pin(kind: CircuitKind) -> Pin {
    match kind {
        CircuitKind::Post => PINS[0],
        CircuitKind::Badge => PINS[1],
        CircuitKind::Slash => PINS[2],
        CircuitKind::Author => PINS[3],
        CircuitKind::Record16 => PINS[4],
        CircuitKind::Record128 => PINS[5],
    }
}

const fn hex32(text: &[u8; 64]) -> [u8; 32] {
    const fn digit(character: u8) -> u8 {
        match character {
            b'0'..=b'9' => character - b'0',
            _ => character - b'a' + 10,
        }
    }
    let mut bytes = [0; 32];
    let mut i = 0;
    while i < 32 {
        bytes[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
        i += 1;
    }
    bytes
}
