// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {RegistryTest} from "../utils/RegistryTest.sol";
import {SlashVerifier} from "../../src/SlashVerifier.sol";

/// @notice Gas of whole transactions, intrinsic gas and calldata included, from cold storage. `cargo xtask contracts
/// gas` writes the figures to snapshots/.
/// @dev Beyond a few thousand members the storage is written directly: what a member costs depends only on its index
/// and on whether the nodes around it are stored, not on what they hold.
contract GasTest is RegistryTest {
    uint256 private constant SAMPLE = 2_048;

    function setUp() public override {
        super.setUp();
        // No first-time costs of the token's accounts, as in a registry in use.
        token.mint(TREASURY, 1);
        token.mint(RECEIVER, 1);
    }

    function test_gas_DepositsFromTheFirst() public {
        sample("deposit, members 2 to 2,049");
    }

    function test_gas_DepositsAt1000() public {
        seed(1_000);
        sample("deposit, from 1,000 members");
    }

    function test_gas_DepositsAt100000() public {
        seed(100_000);
        sample("deposit, from 100,000 members");
    }

    function test_gas_ExitAndSlash() public {
        uint256[3] memory counts = [uint256(2), 1_000, 100_000];
        string[3] memory names = ["2", "1,000", "100,000"];
        for (uint256 i = 0; i < 3; ++i) {
            seed(counts[i]);
            cool();
            vm.prank(DEPOSITOR);
            bytes memory call = abi.encodeCall(registry.requestExit, (0));
            vm.snapshotValue("registry", string.concat("requestExit, ", names[i], " members"), transact(call));

            uint256[8] memory proof = proofFor(1, RECEIVER);
            call = abi.encodeCall(registry.slash, (1, RECEIVER, proof));
            cool();
            uint256 used = transact(call);
            // The mock verifier takes a few words for a proof: the real one's gas and full words are added.
            vm.snapshotValue("registry", string.concat("slash without the proof's check, ", names[i], " members"), used);
        }
    }

    /// @dev Deposits SAMPLE members, and writes average, 99th percentile and maximum.
    function sample(string memory name) private {
        if (registry.memberCount() == 0) deposit(1, 0);
        uint256[] memory used = new uint256[](SAMPLE);
        uint256 total = 0;
        for (uint256 i = 0; i < SAMPLE; ++i) {
            uint256 idc = uint256(keccak256(abi.encode("gas", i))) % ORDER;
            bytes memory call = abi.encodeCall(registry.deposit, (idc, 0));
            cool();
            vm.prank(DEPOSITOR);
            used[i] = transact(call);
            total += used[i];
        }
        sort(used);
        vm.snapshotValue("registry", string.concat(name, ": average"), total / SAMPLE);
        vm.snapshotValue("registry", string.concat(name, ": 99th percentile"), used[SAMPLE * 99 / 100]);
        vm.snapshotValue("registry", string.concat(name, ": maximum"), used[SAMPLE - 1]);
    }

    function cool() private {
        vm.cool(address(registry));
        vm.cool(address(token));
        vm.cool(address(registry.hasher()));
        vm.cool(address(registry.verifier()));
    }

    function transact(bytes memory call) private returns (uint256 used) {
        used = 21_000;
        for (uint256 i = 0; i < call.length; ++i) {
            used += call[i] == 0 ? 4 : 16;
        }
        address target = address(registry);
        bool success;
        uint256 before = gasleft();
        assembly ("memory-safe") {
            success := call(gas(), target, 0, add(call, 0x20), mload(call), 0, 0)
        }
        used += before - gasleft();
        vm.assertTrue(success);
    }

    /// @dev Writes the storage of `count` members of tier 0 directly, nodes included, with made-up contents.
    function seed(uint256 count) private {
        super.setUp();
        token.mint(TREASURY, 1);
        token.mint(RECEIVER, 1);
        token.mint(address(registry), count * 1 ether);
        vm.store(address(registry), 0, bytes32(count | ((count * 1 ether) << 32)));
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
