// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Poseidon of four inputs as a contract
interface IPoseidonT5 {
    /// @notice H4(a, b, c, d). Inputs must be below the field's order; the output is.
    function hash4(uint256 a, uint256 b, uint256 c, uint256 d) external pure returns (uint256 hash);
}
