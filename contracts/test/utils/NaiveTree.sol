// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IPoseidonT5} from "../../src/interfaces/IPoseidonT5.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";

/// @notice The tree of the protocol from its definition, from scratch.
library NaiveTree {
    function root(IPoseidonT5 hasher, IRegistry.Leaf[] memory leaves, uint256 levels) internal pure returns (uint256) {
        uint256[] memory nodes = new uint256[]((leaves.length + 1) / 2);
        for (uint256 i = 0; i < nodes.length; ++i) {
            IRegistry.Leaf memory a = leaves[2 * i];
            IRegistry.Leaf memory b = 2 * i + 1 < leaves.length ? leaves[2 * i + 1] : IRegistry.Leaf(0, 0);
            nodes[i] = hasher.hash4(a.idc, a.word, b.idc, b.word);
        }
        uint256 zero = hasher.hash4(0, 0, 0, 0);
        for (uint256 level = 2; level <= levels; ++level) {
            uint256[] memory above = new uint256[]((nodes.length + 3) / 4);
            for (uint256 i = 0; i < above.length; ++i) {
                uint256[4] memory c;
                for (uint256 j = 0; j < 4; ++j) {
                    c[j] = 4 * i + j < nodes.length ? nodes[4 * i + j] : zero;
                }
                above[i] = hasher.hash4(c[0], c[1], c[2], c[3]);
            }
            nodes = above;
            zero = hasher.hash4(zero, zero, zero, zero);
        }
        return nodes.length == 0 ? zero : nodes[0];
    }
}
