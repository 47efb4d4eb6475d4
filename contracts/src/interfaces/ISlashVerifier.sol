// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Verifier of the slash statement
/// @notice The statement: "I know the identity secret behind this commitment; pay the reward to this receiver".
interface ISlashVerifier {
    /// @notice The hash of the verifying key: SHA-256 of the words of its points, x, y of a point of G1 and x.c1, x.c0,
    /// y.c1, y.c0 of a point of G2, in the order alpha, beta, gamma, delta, and a point for 1 and for each public input.
    /// A word is 32 bytes, big-endian. Compare it with the key that you trust, and the contract's code with the code that
    /// you know: a contract can answer anything.
    function keyHash() external view returns (bytes32);

    /// @notice Checks a Groth16 proof over BN254.
    /// @param idc The identity commitment, first public input
    /// @param receiver The receiver's hash (see `IRegistry.receiverHash`), second public input
    /// @param proof A, B, C as the BN254 precompiles take them: A.x, A.y, B.x.c1, B.x.c0, B.y.c1, B.y.c0, C.x, C.y
    /// @return valid True only if the proof holds. A public input at or above the group's order, a coordinate at or above
    /// the base field's, and a point outside its group all give false.
    function verify(uint256 idc, uint256 receiver, uint256[8] calldata proof) external view returns (bool valid);
}
