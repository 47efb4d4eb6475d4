// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {PoseidonT5} from "../../src/libraries/PoseidonT5.sol";
import {PoseidonT5Hasher} from "../../src/PoseidonT5Hasher.sol";
import {Test} from "../utils/Test.sol";

contract PoseidonT5Test is Test {
    function test_hash4_ProtocolVectors() public view {
        vm.assertEq(
            PoseidonT5.hash4(1, 2, 3, 4), 18821383157269793795438455681495246036402687001665670618754263018637548127333
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
            vm.assertEq(PoseidonT5.hash4(a, b, c, d), expected);
            ++found;
        }
        vm.assertTrue(found != 0);
    }

    function test_hash4_LargestInputs() public pure {
        uint256 m = PoseidonT5.ORDER - 1;
        // From the dense form of the permutation, computed by a program in Python
        vm.assertEq(
            PoseidonT5.hash4(m, m, m, m), 6787226826147679890210956261533278127703365090202917080879592273165705475059
        );
    }

    function test_hash4_ZeroSubtrees() public pure {
        uint256 z = 0;
        for (uint256 level = 1; level <= 11; ++level) {
            z = PoseidonT5.hash4(z, z, z, z);
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

    function testFuzz_hasher_AgreesAndIsReduced(uint256 a, uint256 b, uint256 c, uint256 d) public {
        (a, b, c, d) = (a % ORDER, b % ORDER, c % ORDER, d % ORDER);
        uint256 hash = PoseidonT5.hash4(a, b, c, d);
        vm.assertTrue(hash < ORDER);
        vm.assertEq(new PoseidonT5Hasher().hash4(a, b, c, d), hash);
    }
}
