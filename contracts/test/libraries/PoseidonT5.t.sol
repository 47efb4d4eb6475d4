// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IPoseidonT5} from "../../src/interfaces/IPoseidonT5.sol";
import {PoseidonT5} from "../../src/libraries/PoseidonT5.sol";
import {Test} from "../utils/Test.sol";

contract PoseidonT5Test is Test {
    IPoseidonT5 private hasher;

    function setUp() public {
        hasher = PoseidonT5.deploy();
    }

    function test_hash4_ProtocolVectors() public view {
        vm.assertEq(
            hasher.hash4(1, 2, 3, 4), 18821383157269793795438455681495246036402687001665670618754263018637548127333
        );
        string memory json = vm.readFile("../circuits/tests/vectors/protocol-v1.json");
        uint256 found = 0;
        for (uint256 i = 0; vm.keyExistsJson(json, string.concat(".poseidon[", vm.toString(i), "]")); ++i) {
            string memory entry = string.concat(".poseidon[", vm.toString(i), "]");
            string[] memory inputs = vm.parseJsonStringArray(json, string.concat(entry, ".inputs"));
            if (inputs.length != 4) continue;
            uint256 a = vm.parseUint(inputs[0]);
            uint256 b = vm.parseUint(inputs[1]);
            uint256 c = vm.parseUint(inputs[2]);
            uint256 d = vm.parseUint(inputs[3]);
            uint256 expected = vm.parseUint(vm.parseJsonString(json, string.concat(entry, ".out")));
            vm.assertEq(hasher.hash4(a, b, c, d), expected);
            ++found;
        }
        vm.assertTrue(found != 0);
    }

    function test_hash4_LargestInputs() public view {
        uint256 m = PoseidonT5.ORDER - 1;
        // From the dense form of the permutation, computed by a program in Python
        vm.assertEq(
            hasher.hash4(m, m, m, m), 6787226826147679890210956261533278127703365090202917080879592273165705475059
        );
    }

    function test_hash4_ZeroSubtrees() public view {
        uint256 z = 0;
        for (uint256 level = 1; level <= 11; ++level) {
            z = hasher.hash4(z, z, z, z);
            if (level == 1) {
                vm.assertEq(z, 2351654555892372227640888372176282444150254868378439619268573230312091195718);
            }
            if (level == 2) {
                vm.assertEq(z, 13867732332339151465497925642082178974038372652152621168903203076445231043372);
            }
            if (level == 11) {
                vm.assertEq(z, 3579753298464347968175446964060349222759138522794226670675282662699379573112);
            }
        }
    }

    function testFuzz_hash4_IsReduced(uint256 a, uint256 b, uint256 c, uint256 d) public view {
        vm.assertTrue(hasher.hash4(a % ORDER, b % ORDER, c % ORDER, d % ORDER) < ORDER);
    }

    function testFuzz_hash4_ChangesWithEveryInput(uint256 seed, uint8 lane) public view {
        uint256[4] memory x;
        for (uint256 i = 0; i < 4; ++i) {
            x[i] = uint256(keccak256(abi.encode(seed, i))) % ORDER;
        }
        uint256 hash = hasher.hash4(x[0], x[1], x[2], x[3]);
        x[lane % 4] = (x[lane % 4] + 1) % ORDER;
        vm.assertTrue(hasher.hash4(x[0], x[1], x[2], x[3]) != hash);
    }

    /// @dev Straight-line code: no byte of it that is an instruction jumps, stores, calls or logs.
    function test_deploy_CodeIsArithmeticAlone() public view {
        bytes memory code = address(hasher).code;
        vm.assertTrue(code.length < 24_576);
        for (uint256 i = 0; i < code.length; ++i) {
            uint8 opcode = uint8(code[i]);
            // PUSH1 to PUSH32 are followed by what they push.
            if (opcode >= 0x60 && opcode <= 0x7f) i += opcode - 0x5f;
            bool moves = opcode >= 0x5f && opcode <= 0x9f;
            // ADD, MOD, ADDMOD, MULMOD, CALLDATALOAD, POP
            bool computes = opcode == 0x01 || opcode == 0x06 || opcode == 0x08 || opcode == 0x09 || opcode == 0x35
                || opcode == 0x50;
            // MSTORE and RETURN end it.
            bool answers = (opcode == 0x52 && i + 5 == code.length) || (opcode == 0xf3 && i + 1 == code.length);
            vm.assertTrue(moves || computes || answers);
        }
    }
}
