// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SlashVerifier} from "../src/SlashVerifier.sol";
import {Groth16Instance} from "./utils/Groth16Instance.sol";
import {Test} from "./utils/Test.sol";

contract SlashVerifierTest is Test {
    uint256 private constant BASE = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    uint256 private constant IDC = 123_456_789;
    uint256 private constant RECEIVER = 987_654_321;

    SlashVerifier private verifier;

    function setUp() public {
        verifier = new SlashVerifier(Groth16Instance.key());
    }

    /// @dev One for a key whose secrets the deployer knows looks the same but for this.
    function test_keyHash_IsThatOfTheConstructorsWords() public {
        SlashVerifier.VerifyingKey memory key = Groth16Instance.key();
        vm.assertTrue(verifier.keyHash() == sha256(abi.encode(key)));
        (key.ic2[0], key.ic2[1]) = Groth16Instance.point(14);
        SlashVerifier other = new SlashVerifier(key);
        vm.assertTrue(other.keyHash() == sha256(abi.encode(key)));
        vm.assertTrue(other.keyHash() != verifier.keyHash());
    }

    function test_verify_AcceptsAProof() public view {
        vm.assertTrue(accepts(IDC, RECEIVER, Groth16Instance.proofOf(IDC, RECEIVER)));
    }

    function testFuzz_verify_AcceptsOnlyItsInputs(uint256 idc, uint256 receiver, uint256 other) public view {
        (idc, receiver, other) = (idc % ORDER, receiver % ORDER, other % ORDER);
        uint256[8] memory proof = Groth16Instance.proofOf(idc, receiver);
        vm.assertTrue(accepts(idc, receiver, proof));
        vm.assume(other != idc && other != receiver);
        vm.assertFalse(accepts(other, receiver, proof));
        vm.assertFalse(accepts(idc, other, proof));
    }

    function test_verify_RefusesInputsThatAreNotReduced() public view {
        uint256[8] memory proof = Groth16Instance.proofOf(IDC, RECEIVER);
        vm.assertFalse(accepts(IDC + ORDER, RECEIVER, proof));
        vm.assertFalse(accepts(IDC, RECEIVER + ORDER, proof));
        vm.assertFalse(accepts(ORDER, RECEIVER, proof));
        vm.assertFalse(accepts(IDC, type(uint256).max, proof));
    }

    function test_verify_RefusesEachChangedWord() public view {
        for (uint256 i = 0; i < 8; ++i) {
            uint256[8] memory proof = Groth16Instance.proofOf(IDC, RECEIVER);
            proof[i] += 1;
            vm.assertFalse(accepts(IDC, RECEIVER, proof));
            proof[i] -= 2;
            vm.assertFalse(accepts(IDC, RECEIVER, proof));
            proof[i] = 0;
            vm.assertFalse(accepts(IDC, RECEIVER, proof));
            proof[i] = type(uint256).max;
            vm.assertFalse(accepts(IDC, RECEIVER, proof));
        }
    }

    function test_verify_RefusesCoordinatesThatAreNotReduced() public view {
        for (uint256 i = 0; i < 8; ++i) {
            uint256[8] memory proof = Groth16Instance.proofOf(IDC, RECEIVER);
            proof[i] += BASE;
            vm.assertFalse(accepts(IDC, RECEIVER, proof));
        }
    }

    function test_verify_RefusesPointsOfTheRightCurveThatAreWrong() public view {
        uint256[8] memory proof = Groth16Instance.proofOf(IDC, RECEIVER);
        (proof[0], proof[1]) = Groth16Instance.point(18);
        vm.assertFalse(accepts(IDC, RECEIVER, proof));
        proof = Groth16Instance.proofOf(IDC, RECEIVER);
        proof[1] = BASE - proof[1];
        vm.assertFalse(accepts(IDC, RECEIVER, proof));
        uint256[8] memory zeros;
        vm.assertFalse(accepts(IDC, RECEIVER, zeros));
    }

    /// @dev A proof of the real circuit, which the Rust tests write and keep current: `vk` (20 words in the constructor's
    /// order), `proof` (8 words), `idc`, `receiver`, `receiverAddress`, `chainId`, `registry`; all numbers as strings.
    function test_verify_AcceptsAProofOfTheCircuit() public {
        string memory path = "test/fixtures/slash.json";
        string memory json = vm.readFile(path);
        string[] memory vk = vm.parseJsonStringArray(json, ".vk");
        string[] memory words = vm.parseJsonStringArray(json, ".proof");
        vm.assertEq(vk.length, 20);
        vm.assertEq(words.length, 8);
        uint256[20] memory keyWords;
        for (uint256 i = 0; i < 20; ++i) {
            keyWords[i] = vm.parseUint(vk[i]);
        }
        uint256[8] memory proof;
        for (uint256 i = 0; i < 8; ++i) {
            proof[i] = vm.parseUint(words[i]);
        }
        verifier = new SlashVerifier(abi.decode(abi.encode(keyWords), (SlashVerifier.VerifyingKey)));
        uint256 idc = vm.parseUint(vm.parseJsonString(json, ".idc"));
        uint256 receiver = vm.parseUint(vm.parseJsonString(json, ".receiver"));
        bytes memory preimage = abi.encodePacked(
            "quotapass.receiver.v1",
            uint8(0),
            vm.parseUint(vm.parseJsonString(json, ".chainId")),
            vm.parseJsonAddress(json, ".registry"),
            vm.parseJsonAddress(json, ".receiverAddress")
        );
        vm.assertEq(uint256(keccak256(preimage)) >> 8, receiver);
        vm.assertTrue(accepts(idc, receiver, proof));
        vm.assertFalse(accepts(idc + 1, receiver, proof));
        vm.assertFalse(accepts(idc, receiver + 1, proof));
    }

    function test_constructor_RefusesWhatIsNoKey() public {
        for (uint256 i = 0; i < 20; ++i) {
            uint256[20] memory words = abi.decode(abi.encode(Groth16Instance.key()), (uint256[20]));
            words[i] += 1;
            refuse(words);
            words[i] = 0;
            refuse(words);
            words[i] = BASE;
            refuse(words);
        }
    }

    function refuse(uint256[20] memory words) private {
        SlashVerifier.VerifyingKey memory changed = abi.decode(abi.encode(words), (SlashVerifier.VerifyingKey));
        // A refused point takes all gas that the precompile got.
        try this.deploy{gas: 3_000_000}(changed) {
            vm.assertTrue(false, "deployed");
        } catch (bytes memory reason) {
            vm.assertTrue(keccak256(reason) == keccak256(abi.encodePacked(SlashVerifier.KeyInvalid.selector)));
        }
    }

    function deploy(SlashVerifier.VerifyingKey memory changed) external {
        new SlashVerifier(changed);
    }

    /// @dev A refused point takes all gas that the precompile got, so it must not get too much.
    function accepts(uint256 idc, uint256 receiver, uint256[8] memory proof) private view returns (bool) {
        return verifier.verify{gas: 1_000_000}(idc, receiver, proof);
    }
}
