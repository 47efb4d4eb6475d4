// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {Registry} from "../src/Registry.sol";
import {BlacklistToken} from "./mocks/StubbornTokens.sol";
import {RegistryTest} from "./utils/RegistryTest.sol";

/// @notice What an attacker could do to a registry.
contract AttacksTest is RegistryTest {
    address private constant ATTACKER = address(0xBAD);

    function setUp() public override {
        super.setUp();
        fund(ATTACKER);
    }

    /// @dev The attacker sees a deposit on its way and deposits its commitment first, at the cheapest tier.
    function test_attack_ACopiedCommitmentTakesTheOwnersPlace() public {
        vm.prank(ATTACKER);
        uint256 stolen = registry.deposit(7, 0);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.CommitmentUsed.selector, 7));
        deposit(7, 1);
        // The owner's identity now is in the attacker's tier, for as long as the attacker likes.
        vm.assertEq(registry.member(stolen).tier, 0);
        vm.prank(ATTACKER);
        registry.requestExit(stolen);
    }

    /// @dev Deposits that are taken back have used up their slots, and cost nothing but gas.
    function test_attack_FillingARegistryCostsNothing() public {
        uint256 before = token.balanceOf(ATTACKER);
        uint256 time = block.timestamp;
        for (uint256 i = 0; i < 10; ++i) {
            vm.prank(ATTACKER);
            uint256 index = registry.deposit(i + 1, 0);
            vm.prank(ATTACKER);
            registry.requestExit(index);
            time += EXIT_DELAY;
            vm.warp(time);
            vm.prank(ATTACKER);
            registry.withdraw(index, ATTACKER);
        }
        vm.assertEq(token.balanceOf(ATTACKER), before);
        vm.assertEq(registry.memberCount(), 10);
    }

    /// @dev The token stops paying the treasury, and no offence costs anything any more.
    function test_attack_ATreasuryThatIsNotPaidDisablesSlashing() public {
        BlacklistToken blacklist = new BlacklistToken();
        IRegistry.Config memory c = config();
        c.token = token = blacklist;
        registry = new Registry(c);
        fund(DEPOSITOR);
        uint256 index = deposit(1, 0);
        blacklist.setBlocked(TREASURY, true);
        uint256[8] memory proof = proofFor(index, RECEIVER);
        vm.expectRevert(abi.encodeWithSelector(BlacklistToken.Blocked.selector, TREASURY));
        registry.slash(index, RECEIVER, proof);
    }

    /// @dev Nothing tells which key a verifier checks with: one for a key that the deployer knows the secrets of looks
    /// the same.
    function test_attack_AVerifierDoesNotNameItsKey() public {
        (bool answered,) = address(registry.verifier()).call(abi.encodeWithSignature("keyHash()"));
        vm.assertFalse(answered);
    }
}
