// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {MemberTree} from "../../src/libraries/MemberTree.sol";
import {Registry} from "../../src/Registry.sol";
import {SlashVerifier} from "../../src/SlashVerifier.sol";
import {Groth16Instance} from "../utils/Groth16Instance.sol";
import {RegistryTest} from "../utils/RegistryTest.sol";

/// @notice Gas of whole transactions: `cargo xtask contracts gas` runs each call as one of its own (forge's isolation)
/// and writes the figures to snapshots/.
/// @dev Large registries are written to storage directly: what a call costs depends on the index and on which nodes
/// are stored, not on what they hold. An exit and a slash are those of a member whose neighbour is active.
contract GasTest is RegistryTest {
    uint256 private constant SAMPLE = 1_024;
    /// @dev Pairs of members that leave, spread evenly over the tree
    uint256 private constant PAIRS = 32;
    /// @dev Where the registry stores its count and what it owes, and where the tree begins
    uint256 private constant COUNT_SLOT = 0;
    uint256 private constant TREE_SLOT = 11;

    function setUp() public override {
        super.setUp();
        IRegistry.Config memory c = config();
        c.verifier = new SlashVerifier(Groth16Instance.key());
        registry = new Registry(c);
        fund(DEPOSITOR);
        // In a registry in use these accounts hold tokens already.
        token.mint(TREASURY, 1);
        token.mint(RECEIVER, 1);
        token.mint(address(registry), 1e9 ether);
    }

    function test_gas_DepositFrom1() public {
        pretend(0, 1);
        sample("deposit, from 1 member");
    }

    function test_gas_DepositFrom1000() public {
        pretend(0, 1_000);
        sample("deposit, from 1,000 members");
    }

    function test_gas_DepositFrom100000() public {
        pretend(0, 100_000);
        sample("deposit, from 100,000 members");
    }

    /// @dev What an attacker's copies cost the owner of a commitment, however many there are.
    function test_gas_DepositBehindACopy() public {
        pretend(0, 100_000);
        address copier = address(0xC0);
        fund(copier);
        uint256[] memory used = new uint256[](SAMPLE);
        for (uint256 i = 0; i < SAMPLE; ++i) {
            uint256 idc = uint256(keccak256(abi.encode("copied", i))) % ORDER;
            vm.prank(copier);
            registry.deposit(idc, 0);
            deposit(idc, 0);
            used[i] = lastCall();
        }
        noteAll("deposit behind a copy, from 100,000 members", used);
    }

    function test_gas_ExitAt1() public {
        exits(1, "1 member");
    }

    function test_gas_ExitAt1000() public {
        exits(1_000, "1,000 members");
    }

    function test_gas_ExitAt100000() public {
        exits(100_000, "100,000 members");
    }

    function test_gas_ExitWhenFull() public {
        exits(2_097_152, "2,097,152 members");
    }

    function test_gas_SlashAt1() public {
        slashes(1, "1 member");
    }

    function test_gas_SlashAt1000() public {
        slashes(1_000, "1,000 members");
    }

    function test_gas_SlashAt100000() public {
        slashes(100_000, "100,000 members");
    }

    function test_gas_SlashWhenFull() public {
        slashes(2_097_152, "2,097,152 members");
    }

    function exits(uint256 count, string memory members) private {
        uint256 pairs = count < 2 * PAIRS ? 1 : PAIRS;
        uint256[] memory used = new uint256[](pairs);
        for (uint256 i = 0; i < pairs; ++i) {
            placePair(pairAt(i, pairs, count), count);
            requestExit(pairAt(i, pairs, count));
            used[i] = lastCall();
        }
        noteAll(string.concat("requestExit, ", members), used);
        vm.warp(1_795_000_000 + EXIT_DELAY);
        for (uint256 i = 0; i < pairs; ++i) {
            withdraw(pairAt(i, pairs, count), DEPOSITOR);
            used[i] = lastCall();
        }
        noteAll(string.concat("withdraw, ", members), used);
    }

    function slashes(uint256 count, string memory members) private {
        uint256 pairs = count < 2 * PAIRS ? 1 : PAIRS;
        uint256[] memory used = new uint256[](pairs);
        for (uint256 i = 0; i < pairs; ++i) {
            uint256 index = pairAt(i, pairs, count);
            placePair(index, count);
            uint256 idc = registry.member(index).idc;
            registry.slash(index, RECEIVER, Groth16Instance.proofOf(idc, registry.receiverHash(RECEIVER)));
            used[i] = lastCall();
        }
        noteAll(string.concat("slash, ", members), used);
    }

    /// @dev Index of the first member of pair number `number`.
    function pairAt(uint256 number, uint256 pairs, uint256 count) private pure returns (uint256) {
        return 2 * (number * (count / 2) / pairs);
    }

    /// @dev Makes the registry one of `count` members, of which those at `index` and, if there is one, `index + 1` are
    /// real. They have different tiers, for that costs most.
    function placePair(uint256 index, uint256 count) private {
        vm.store(address(registry), bytes32(COUNT_SLOT), bytes32(index));
        for (uint256 i = index; i < index + 2 && i < count; ++i) {
            deposit(i + 1, uint8(i % 2));
        }
        uint256 bottom = uint256(vm.load(address(registry), bytes32(TREE_SLOT + index / 2)));
        vm.assertTrue((bottom != 0) == (index + 1 < count), "the tree is where we think");
        pretend(index, count);
    }

    function sample(string memory name) private {
        uint256[] memory used = new uint256[](SAMPLE);
        uint256 total = 0;
        for (uint256 i = 0; i < SAMPLE; ++i) {
            deposit(uint256(keccak256(abi.encode(name, i))) % ORDER, 0);
            used[i] = lastCall();
            total += used[i];
        }
        sort(used);
        note(string.concat(name, ", average"), total / SAMPLE);
        note(string.concat(name, ", 99th percentile"), used[SAMPLE * 99 / 100]);
        note(string.concat(name, ", maximum"), used[SAMPLE - 1]);
    }

    function noteAll(string memory name, uint256[] memory used) private {
        uint256 total = 0;
        uint256 maximum = 0;
        for (uint256 i = 0; i < used.length; ++i) {
            total += used[i];
            if (used[i] > maximum) maximum = used[i];
        }
        note(string.concat(name, ", average"), total / used.length);
        note(string.concat(name, ", maximum"), maximum);
    }

    function note(string memory name, uint256 value) private {
        vm.snapshotValue("registry", name, value);
    }

    function lastCall() private view returns (uint256) {
        return vm.lastCallGas().gasTotalUsed;
    }

    /// @dev Makes the registry one of `count` members, with the nodes above `index` and above the last members, and
    /// these nodes' siblings, as far as it would have stored them.
    function pretend(uint256 index, uint256 count) private {
        vm.store(address(registry), bytes32(COUNT_SLOT), bytes32(count | (1e9 ether << 32)));
        for (uint256 level = 1; level < MemberTree.LEVELS; ++level) {
            storeSiblings(level, (index / 2) >> (2 * (level - 1)), count);
            storeSiblings(level, (count / 2) >> (2 * (level - 1)), count);
        }
    }

    function storeSiblings(uint256 level, uint256 number, uint256 count) private {
        uint256 first = number & ~uint256(3);
        for (uint256 i = first; i < first + 4; ++i) {
            if (!isStored(level, i, count)) continue;
            uint256 slot = TREE_SLOT + (((level - 1) << 32) | i);
            if (uint256(vm.load(address(registry), bytes32(slot))) == 0) {
                vm.store(address(registry), bytes32(slot), bytes32(slot));
            }
        }
    }

    /// @dev Whether the node's turn came with one of the first `count` members.
    function isStored(uint256 level, uint256 number, uint256 count) private pure returns (bool) {
        if (level == 1) return 2 * number + 1 < count;
        // In base 4: the number of the next node, a zero, and ones
        uint256 due = (number + 1) << (2 * (level - 1));
        for (uint256 i = 0; i + 2 < level; ++i) {
            due |= 1 << (2 * i);
        }
        return 2 * due < count;
    }

    function sort(uint256[] memory values) private pure {
        for (uint256 i = 1; i < values.length; ++i) {
            uint256 value = values[i];
            uint256 j = i;
            for (; j > 0 && values[j - 1] > value; --j) {
                values[j] = values[j - 1];
            }
            values[j] = value;
        }
    }
}
