// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IPoseidonT5} from "../../src/interfaces/IPoseidonT5.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {MemberTree} from "../../src/libraries/MemberTree.sol";
import {PoseidonT5} from "../../src/libraries/PoseidonT5.sol";
import {NaiveTree} from "../utils/NaiveTree.sol";
import {Test} from "../utils/Test.sol";

contract MemberTreeTest is Test {
    using MemberTree for MemberTree.Tree;

    string private constant VECTORS = "../circuits/tests/vectors/protocol-v1.json";

    MemberTree.Tree private tree;
    IRegistry.Leaf[] private leaves;
    IPoseidonT5 private hasher;

    function setUp() public {
        hasher = PoseidonT5.deploy();
    }

    function test_root_ProtocolVectors() public {
        string memory json = vm.readFile(VECTORS);
        for (uint256 i = 0; vm.keyExistsJson(json, string.concat(".roots[", vm.toString(i), "]")); ++i) {
            string memory entry = string.concat(".roots[", vm.toString(i), "]");
            if (vm.parseJsonUint(json, string.concat(entry, ".levels")) != MemberTree.LEVELS) continue;
            uint256[] memory zeroed = vm.parseJsonUintArray(json, string.concat(entry, ".zeroed"));
            if (zeroed.length != 0) continue;
            uint256 members = vm.parseJsonUint(json, string.concat(entry, ".members"));
            while (leaves.length < members) {
                string memory member = string.concat(".members[", vm.toString(leaves.length), "]");
                uint256 idc = vm.parseUint(vm.parseJsonString(json, string.concat(member, ".identity_commitment")));
                append(idc, vm.parseUint(vm.parseJsonString(json, string.concat(member, ".word"))));
            }
            uint256 expected = vm.parseUint(vm.parseJsonString(json, string.concat(entry, ".root")));
            vm.assertEq(root(), expected);
        }
    }

    function test_root_ProtocolVectorsWithZeroedSlots() public {
        string memory json = vm.readFile(VECTORS);
        for (uint256 i = 0; vm.keyExistsJson(json, string.concat(".roots[", vm.toString(i), "]")); ++i) {
            string memory entry = string.concat(".roots[", vm.toString(i), "]");
            if (vm.parseJsonUint(json, string.concat(entry, ".levels")) != MemberTree.LEVELS) continue;
            uint256[] memory zeroed = vm.parseJsonUintArray(json, string.concat(entry, ".zeroed"));
            if (zeroed.length == 0) continue;
            uint256 members = vm.parseJsonUint(json, string.concat(entry, ".members"));
            while (leaves.length < members) {
                string memory member = string.concat(".members[", vm.toString(leaves.length), "]");
                uint256 idc = vm.parseUint(vm.parseJsonString(json, string.concat(member, ".identity_commitment")));
                append(idc, vm.parseUint(vm.parseJsonString(json, string.concat(member, ".word"))));
            }
            for (uint256 j = 0; j < zeroed.length; ++j) {
                zero(zeroed[j]);
            }
            vm.assertEq(root(), vm.parseUint(vm.parseJsonString(json, string.concat(entry, ".root"))));
            return;
        }
    }

    /// @dev Past 4^3 bottom nodes, so that nodes of levels 2, 3 and 4 wait, are due and are stored.
    function test_root_EveryCountUpTo600() public {
        for (uint256 i = 0; i < 600; ++i) {
            append(i + 1, i + 1_000_000);
            if (i < 140 || i % 37 == 0 || i > 590) {
                vm.assertEq(root(), NaiveTree.root(hasher, leaves, MemberTree.LEVELS));
            }
        }
    }

    function testFuzz_root_AfterAnySequence(uint256 seed, uint8 steps) public {
        for (uint256 i = 0; i < steps; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            if (leaves.length == 0 || seed % 4 != 0) append(seed % ORDER, seed >> 170);
            else zero((seed >> 8) % leaves.length);
        }
        vm.assertEq(root(), NaiveTree.root(hasher, leaves, MemberTree.LEVELS));
    }

    /// @dev A path of any length from any slot, left, right or between, among siblings that are stored or not yet.
    function testFuzz_update_EveryLevel(uint256 index, uint256 levels, uint256 seed) public {
        index = bound(index, 0, MemberTree.CAPACITY - 1);
        levels = bound(levels, 0, MemberTree.LEVELS - 1);
        uint256 number = index / 2;
        for (uint256 level = 1; level <= levels; ++level) {
            for (uint256 i = 0; i < 4; ++i) {
                uint256 sibling = (number & ~uint256(3)) + i;
                uint256 value = uint256(keccak256(abi.encode(seed, level, i))) % ORDER;
                // On the highest stored level some siblings may wait for their turn.
                if (level == levels && sibling != number && value % 2 == 0) value = 0;
                tree.nodes[key(level, sibling)] = value;
            }
            number /= 4;
        }

        tree.update(hasher, index, 1, 2, 0, 0);

        uint256 expected = hasher.hash4(1, 2, 0, 0);
        number = index / 2;
        for (uint256 level = 1; level <= levels; ++level) {
            vm.assertEq(tree.nodes[key(level, number)], expected);
            uint256[4] memory c;
            for (uint256 i = 0; i < 4; ++i) {
                c[i] = tree.nodes[key(level, (number & ~uint256(3)) + i)];
                bool changed = i == number % 4;
                uint256 before = uint256(keccak256(abi.encode(seed, level, i))) % ORDER;
                vm.assertTrue(changed || c[i] == before || (level == levels && c[i] == 0));
            }
            expected = hasher.hash4(c[0], c[1], c[2], c[3]);
            number /= 4;
        }
        vm.assertEq(tree.nodes[key(levels + 1, number)], 0);
    }

    /// @dev Every node's turn comes once and after its children's, to the tree's last member.
    function test_storeDue_NoNodeIsForgotten() public pure {
        uint256[12] memory stored;
        for (uint256 k = 0; k < 4 ** 8; ++k) {
            uint256 level = 2;
            uint256 digits = k;
            while (digits & 3 == 1) {
                digits >>= 2;
                ++level;
            }
            uint256 complete = k >> (2 * (level - 1));
            if (digits & 3 != 0 || complete == 0) continue;
            vm.assertTrue(complete - 1 == stored[level]);
            stored[level] = complete;
            vm.assertTrue(level == 2 || stored[level - 1] >= 4 * complete);
        }
        vm.assertTrue(stored[2] == 4 ** 7 - 1 && stored[8] == 3);
    }

    /// @dev As MemberTree has it.
    function key(uint256 level, uint256 number) private pure returns (uint256) {
        return ((level - 1) << 32) | number;
    }

    function append(uint256 idc, uint256 word) private {
        uint256 index = leaves.length;
        leaves.push(IRegistry.Leaf(idc, word));
        if (index % 2 == 0) tree.storeDue(hasher, index);
        else tree.storeBottom(hasher, index, leaves[index - 1].idc, leaves[index - 1].word, idc, word);
    }

    function zero(uint256 index) private {
        leaves[index] = IRegistry.Leaf(0, 0);
        (IRegistry.Leaf memory a, IRegistry.Leaf memory b) = bottom(index);
        tree.update(hasher, index, a.idc, a.word, b.idc, b.word);
    }

    function root() private view returns (uint256) {
        (IRegistry.Leaf memory a, IRegistry.Leaf memory b) = bottom(leaves.length);
        return tree.root(hasher, leaves.length, a.idc, a.word, b.idc, b.word);
    }

    function bottom(uint256 index) private view returns (IRegistry.Leaf memory a, IRegistry.Leaf memory b) {
        uint256 first = index & ~uint256(1);
        if (first < leaves.length) a = leaves[first];
        if (first + 1 < leaves.length) b = leaves[first + 1];
    }
}
