// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {SlashVerifier} from "../src/SlashVerifier.sol";
import {Test} from "./utils/Test.sol";

/// @dev Keys and proofs whose discrete logarithms the test knows: alpha = 11 G, beta = H, gamma = 2 H, delta = 3 H,
/// ic = (5 G, 7 G, 13 G); A = 17 G, B = 2 H, and C solves the verification equation.
contract SlashVerifierTest is Test {
    uint256 private constant BASE = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    uint256 private constant IDC = 123_456_789;
    uint256 private constant RECEIVER = 987_654_321;

    SlashVerifier private verifier;

    function setUp() public {
        verifier = new SlashVerifier(key());
    }

    function test_verify_AcceptsAProof() public view {
        vm.assertTrue(verifier.verify(IDC, RECEIVER, proofOf(IDC, RECEIVER)));
    }

    function testFuzz_verify_AcceptsOnlyItsInputs(uint256 idc, uint256 receiver, uint256 other) public view {
        (idc, receiver, other) = (idc % ORDER, receiver % ORDER, other % ORDER);
        uint256[8] memory proof = proofOf(idc, receiver);
        vm.assertTrue(verifier.verify(idc, receiver, proof));
        vm.assume(other != idc && other != receiver);
        vm.assertFalse(verifier.verify(other, receiver, proof));
        vm.assertFalse(verifier.verify(idc, other, proof));
    }

    function test_verify_RefusesInputsThatAreNotReduced() public view {
        uint256[8] memory proof = proofOf(IDC, RECEIVER);
        vm.assertFalse(verifier.verify(IDC + ORDER, RECEIVER, proof));
        vm.assertFalse(verifier.verify(IDC, RECEIVER + ORDER, proof));
        vm.assertFalse(verifier.verify(ORDER, RECEIVER, proof));
        vm.assertFalse(verifier.verify(IDC, type(uint256).max, proof));
    }

    function test_verify_RefusesEachChangedWord() public view {
        for (uint256 i = 0; i < 8; ++i) {
            uint256[8] memory proof = proofOf(IDC, RECEIVER);
            proof[i] += 1;
            vm.assertFalse(verifier.verify(IDC, RECEIVER, proof));
            proof[i] -= 2;
            vm.assertFalse(verifier.verify(IDC, RECEIVER, proof));
            proof[i] = 0;
            vm.assertFalse(verifier.verify(IDC, RECEIVER, proof));
            proof[i] = type(uint256).max;
            vm.assertFalse(verifier.verify(IDC, RECEIVER, proof));
        }
    }

    function test_verify_RefusesCoordinatesThatAreNotReduced() public view {
        for (uint256 i = 0; i < 8; ++i) {
            uint256[8] memory proof = proofOf(IDC, RECEIVER);
            proof[i] += BASE;
            vm.assertFalse(verifier.verify(IDC, RECEIVER, proof));
        }
    }

    function test_verify_RefusesPointsOfTheRightCurveThatAreWrong() public view {
        uint256[8] memory proof = proofOf(IDC, RECEIVER);
        (proof[0], proof[1]) = point(18);
        vm.assertFalse(verifier.verify(IDC, RECEIVER, proof));
        proof = proofOf(IDC, RECEIVER);
        proof[1] = BASE - proof[1];
        vm.assertFalse(verifier.verify(IDC, RECEIVER, proof));
        uint256[8] memory zeros;
        vm.assertFalse(verifier.verify(IDC, RECEIVER, zeros));
    }

    function test_constructor_RefusesWhatIsNoKey() public {
        for (uint256 i = 0; i < 20; ++i) {
            uint256[20] memory words = abi.decode(abi.encode(key()), (uint256[20]));
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
        try new SlashVerifier(changed) {
            vm.assertTrue(false, "deployed");
        } catch (bytes memory reason) {
            vm.assertTrue(keccak256(reason) == keccak256(abi.encodePacked(SlashVerifier.KeyInvalid.selector)));
        }
    }

    function key() private view returns (SlashVerifier.VerifyingKey memory k) {
        (k.alpha[0], k.alpha[1]) = point(11);
        k.beta = [
            uint256(11559732032986387107991004021392285783925812861821192530917403151452391805634),
            10857046999023057135944570762232829481370756359578518086990519993285655852781,
            4082367875863433681332203403145435568316851327593401208105741076214120093531,
            8495653923123431417604973247489272438418190587263600148770280649306958101930
        ];
        k.gamma = [
            uint256(14583779054894525174450323658765874724019480979794335525732096752006891875705),
            18029695676650738226693292988307914797657423701064905010927197838374790804409,
            11474861747383700316476719153975578001603231366361248090558603872215261634898,
            2140229616977736810657479771656733941598412651537078903776637920509952744750
        ];
        k.delta = [
            uint256(7273165102799931111715871471550377909735733521218303035754523677688038059653),
            2725019753478801796453339367788033689375851816420509565303521482350756874229,
            957874124722006818841961785324909313781880061366718538693995380805373202866,
            2512659008974376214222774206987427162027254181373325676825515531566330959255
        ];
        (k.ic0[0], k.ic0[1]) = point(5);
        (k.ic1[0], k.ic1[1]) = point(7);
        (k.ic2[0], k.ic2[1]) = point(13);
    }

    /// @dev 17 * 2 = 11 * 1 + l * 2 + c * 3, where l = 5 + 7 idc + 13 receiver.
    function proofOf(uint256 idc, uint256 receiver) private view returns (uint256[8] memory proof) {
        (proof[0], proof[1]) = point(17);
        uint256[4] memory b = [
            uint256(14583779054894525174450323658765874724019480979794335525732096752006891875705),
            18029695676650738226693292988307914797657423701064905010927197838374790804409,
            11474861747383700316476719153975578001603231366361248090558603872215261634898,
            2140229616977736810657479771656733941598412651537078903776637920509952744750
        ];
        (proof[2], proof[3], proof[4], proof[5]) = (b[0], b[1], b[2], b[3]);
        uint256 l = addmod(5, addmod(mulmod(7, idc, ORDER), mulmod(13, receiver, ORDER), ORDER), ORDER);
        uint256 rest = addmod(34 - 11, ORDER - mulmod(2, l, ORDER), ORDER);
        uint256 third = 14592161914559516814830937163504850059032242933610689562465469457717205663745;
        (proof[6], proof[7]) = point(mulmod(rest, third, ORDER));
    }

    /// @dev `factor` times the generator (1, 2).
    function point(uint256 factor) private view returns (uint256 x, uint256 y) {
        (bool ok, bytes memory out) = address(7).staticcall(abi.encode(1, 2, factor));
        require(ok);
        return abi.decode(out, (uint256, uint256));
    }
}
