// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {Registry} from "../../src/Registry.sol";
import {SlashVerifier} from "../../src/SlashVerifier.sol";
import {Groth16Instance} from "../utils/Groth16Instance.sol";
import {RegistryTest} from "../utils/RegistryTest.sol";

/// @notice Gas of whole transactions: `cargo xtask contracts gas` runs each call as one of its own (forge's isolation)
/// and writes the figures to snapshots/.
/// @dev Large registries are written to storage directly: what a call costs depends on the index and on which nodes
/// are stored, not on what they hold.
contract GasTest is RegistryTest {
    uint256 private constant SAMPLE = 1_024;
    uint256 private constant TREE_SLOT = 2;

    function setUp() public override {
        super.setUp();
        IRegistry.Config memory c = config();
        c.verifier = new SlashVerifier(Groth16Instance.key());
        registry = new Registry(c);
        fund(DEPOSITOR);
        // In a registry in use these accounts hold tokens already.
        token.mint(TREASURY, 1);
        token.mint(RECEIVER, 1);
        deposit(1, 0);
        deposit(2, 0);
    }

    function test_gas_DepositFrom2() public {
        sample("deposit, from 2 members");
    }

    function test_gas_DepositFrom1000() public {
        pretend(1_000);
        sample("deposit, from 1,000 members");
    }

    function test_gas_DepositFrom100000() public {
        pretend(100_000);
        sample("deposit, from 100,000 members");
    }

    function test_gas_ExitAt2() public {
        exitAndSlash("2");
    }

    function test_gas_ExitAt1000() public {
        pretend(1_000);
        exitAndSlash("1,000");
    }

    function test_gas_ExitAt100000() public {
        pretend(100_000);
        exitAndSlash("100,000");
    }

    function test_gas_ExitWhenFull() public {
        pretend(2_097_152);
        exitAndSlash("2,097,152");
    }

    function exitAndSlash(string memory members) private {
        requestExit(0);
        note(string.concat("requestExit, ", members, " members"), lastCall());
        registry.slash(1, RECEIVER, Groth16Instance.proofOf(2, registry.receiverHash(RECEIVER)));
        note(string.concat("slash, ", members, " members"), lastCall());
        vm.warp(1_795_000_000 + EXIT_DELAY);
        withdraw(0, DEPOSITOR);
        note(string.concat("withdraw, ", members, " members"), lastCall());
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

    function note(string memory name, uint256 value) private {
        vm.snapshotValue("registry", name, value);
    }

    function lastCall() private view returns (uint256) {
        return vm.lastCallGas().gasTotalUsed;
    }

    /// @dev Makes the registry one of `count` members, with the first nodes of each level that it would have stored.
    function pretend(uint256 count) private {
        uint256 owed = count * 1 ether;
        token.mint(address(registry), owed - token.balanceOf(address(registry)));
        vm.store(address(registry), 0, bytes32(count | (owed << 32)));
        for (uint256 level = 1; level <= 10; ++level) {
            uint256 complete = (count / 2) >> (2 * (level - 1));
            for (uint256 number = 0; number < complete && number < 4; ++number) {
                uint256 key = (level << 32) | number;
                vm.store(address(registry), keccak256(abi.encode(key, TREE_SLOT)), bytes32(key));
            }
        }
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
