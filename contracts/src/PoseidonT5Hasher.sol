// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IPoseidonT5} from "./interfaces/IPoseidonT5.sol";
import {PoseidonT5} from "./libraries/PoseidonT5.sol";

/// @title Poseidon of four inputs as a contract
/// @notice The registry's constructor deploys its own: the hash and the registry together exceed the size of a contract.
contract PoseidonT5Hasher is IPoseidonT5 {
    /// @inheritdoc IPoseidonT5
    function hash4(uint256 a, uint256 b, uint256 c, uint256 d) external pure returns (uint256 hash) {
        return PoseidonT5.hash4(a, b, c, d);
    }
}
