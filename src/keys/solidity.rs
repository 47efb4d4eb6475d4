//! The source of a self-contained contract that verifies proofs of one circuit with one key.

use anyhow::{Context, Result};
use quotapass_circuits::{constraints::CircuitKind, verifier::VerifyingKey};

/// Returns the source. For `slash` it has the function that a registry calls, so that it can replace `SlashVerifier`;
/// for the other circuits the inputs are one array.
///
/// # Errors
/// If the key has too few points.
pub(super) fn verifier(kind: CircuitKind, names: &[&str], key: &VerifyingKey, origin: &str) -> Result<String> {
    let words: Vec<_> = key.to_evm_words().iter().map(|word| format!("0x{}", hex::encode(word))).collect();
    // alpha, beta, gamma and delta take 14 words; x and y of each point of the inputs follow.
    let (fixed, combination) = words.split_first_chunk::<14>().context("the key has too few points")?;
    let (points, _) = combination.as_chunks::<2>();
    let ([x, first_y], rest) = points.split_first().context("the key has no point for its inputs")?;
    let contract = contract_name(kind);
    let (parameters, inputs): (String, Vec<String>) = match kind {
        CircuitKind::Slash => (
            names.iter().map(|name| format!("uint256 {name}, ")).collect(),
            names.iter().map(|name| (*name).to_owned()).collect(),
        ),
        _ => (
            format!("uint256[{}] calldata inputs, ", names.len()),
            (0..names.len()).map(|at| format!("inputs[{at}]")).collect(),
        ),
    };
    let mut steps = String::new();
    for (input, [x, y]) in inputs.iter().zip(rest) {
        steps += &format!("        if (!_mulAdd(sum, {x}, {y}, {input})) return false;\n");
    }
    let indent = " ".repeat(12);
    let list = |words: &[String]| words.iter().map(|word| format!("{indent}{word}")).collect::<Vec<_>>().join(",\n");
    Ok(format!(
        "// SPDX-License-Identifier: MIT OR Apache-2.0\n\
         pragma solidity ^0.8.20;\n\n\
         /// @title Groth16 verifier of the statement `{kind}` of quotapass\n\
         /// @notice BN254. Public inputs in this order: {inputs_in_words}. Keys: {origin}.\n\
         /// @dev e(A, B) = e(alpha, beta) e(L, gamma) e(C, delta), with L the combination of the inputs (Groth 2016/260).\n\
         contract {contract} {{\n\
         \x20   /// Order of the groups\n\
         \x20   uint256 private constant ORDER = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;\n\
         \x20   /// Order of the field of coordinates\n\
         \x20   uint256 private constant BASE = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;\n\n\
         \x20   /// @notice The hash of the key: SHA-256 of its words in the order of EIP-197. The registry's depositors and relays\n\
         \x20   /// compare it with the key that they trust, and this contract's code with code that they have checked.\n\
         \x20   bytes32 public constant keyHash = 0x{hash};\n\n\
         \x20   /// @notice Whether a proof holds.\n\
         \x20   /// @param proof A.x, A.y, B.x.c1, B.x.c0, B.y.c1, B.y.c0, C.x, C.y\n\
         \x20   function verify({parameters}uint256[8] calldata proof) external view returns (bool valid) {{\n\
         \x20       // -A is computed here, so the precompile would not see that A.y was out of range. It checks all the others.\n\
         \x20       uint256 y = proof[1];\n\
         \x20       if (y >= BASE) return false;\n\
         \x20       uint256[2] memory sum = [\n{indent}uint256({x}),\n{indent}{first_y}\n        ];\n\
         {steps}\
         \x20       uint256[24] memory pairs = [\n\
         {indent}proof[0],\n{indent}y == 0 ? 0 : BASE - y,\n{indent}proof[2],\n{indent}proof[3],\n{indent}proof[4],\n{indent}proof[5],\n\
         {alpha_beta},\n{indent}sum[0],\n{indent}sum[1],\n{gamma},\n{indent}proof[6],\n{indent}proof[7],\n{delta}\n        ];\n\
         \x20       assembly (\"memory-safe\") {{\n\
         \x20           let ok := staticcall(gas(), 8, pairs, 768, 0x00, 0x20)\n\
         \x20           valid := and(and(ok, eq(returndatasize(), 0x20)), eq(mload(0x00), 1))\n\
         \x20       }}\n\
         \x20   }}\n\n\
         \x20   /// @dev Adds factor (x, y) to sum. False if the factor is not below the order of the groups.\n\
         \x20   function _mulAdd(uint256[2] memory sum, uint256 x, uint256 y, uint256 factor) private view returns (bool ok) {{\n\
         \x20       if (factor >= ORDER) return false;\n\
         \x20       uint256[4] memory words = [x, y, factor, 0];\n\
         \x20       assembly (\"memory-safe\") {{\n\
         \x20           ok := staticcall(gas(), 7, words, 0x60, words, 0x40)\n\
         \x20       }}\n\
         \x20       (words[2], words[3]) = (sum[0], sum[1]);\n\
         \x20       assembly (\"memory-safe\") {{\n\
         \x20           ok := and(staticcall(gas(), 6, words, 0x80, sum, 0x40), ok)\n\
         \x20       }}\n\
         \x20   }}\n\
         }}\n",
        hash = key.hash(),
        inputs_in_words = names.join(", "),
        alpha_beta = list(&fixed[..6]),
        gamma = list(&fixed[6..10]),
        delta = list(&fixed[10..]),
    ))
}

/// Returns the contract's name.
pub(super) fn contract_name(kind: CircuitKind) -> &'static str {
    match kind {
        CircuitKind::Post => "PostGroth16Verifier",
        CircuitKind::Badge => "BadgeGroth16Verifier",
        CircuitKind::Slash => "SlashGroth16Verifier",
        CircuitKind::Author => "AuthorGroth16Verifier",
        CircuitKind::Record16 => "Record16Groth16Verifier",
        CircuitKind::Record128 => "Record128Groth16Verifier",
    }
}
