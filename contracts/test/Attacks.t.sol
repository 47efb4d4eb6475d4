// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {Registry} from "../src/Registry.sol";
import {BlacklistToken} from "./mocks/StubbornTokens.sol";
import {HookToken} from "./mocks/Tokens.sol";
import {RegistryTest} from "./utils/RegistryTest.sol";

/// @notice A commitment that an attacker saw on its way and deposits for first.
contract CopiedCommitmentTest is RegistryTest {
    address private constant ATTACKER = address(0xBAD);

    function setUp() public override {
        super.setUp();
        fund(ATTACKER);
    }

    function depositAsAttacker(uint256 idc, uint8 tier) private returns (uint256) {
        vm.prank(ATTACKER);
        return registry.deposit(idc, tier);
    }

    function test_attack_ACopiedCommitmentTakesNobodysPlace() public {
        vm.assertEq(depositAsAttacker(7, 0), 0);
        vm.assertEq(deposit(7, 1), 1);
        vm.assertEq(registry.slotCount(7), 2);
        vm.assertEq(registry.slotAt(7, 0), 0);
        vm.assertEq(registry.slotAt(7, 1), 1);
        (bool used, uint256 index) = registry.indexOf(7, DEPOSITOR);
        vm.assertTrue(used && index == 1);
        (used, index) = registry.indexOf(7, ATTACKER);
        vm.assertTrue(used && index == 0);
        IRegistry.Member memory own = registry.member(1);
        vm.assertEq(own.idc, 7);
        vm.assertEq(own.depositor, DEPOSITOR);
        vm.assertEq(own.tier, 1);
        vm.assertEq(own.stake, 10);
        vm.assertEq(registry.member(0).depositor, ATTACKER);
        requireNaiveRoot();
    }

    /// @dev Each can end its own membership and no other.
    function test_attack_TheCopysExitLeavesTheOwnersMembership() public {
        depositAsAttacker(7, 0);
        deposit(7, 1);
        vm.prank(ATTACKER);
        registry.requestExit(0);
        vm.assertTrue(registry.member(1).status == IRegistry.Status.Active);
        (uint256 idc, uint256 word) = registry.memberAt(1);
        vm.assertTrue(idc == 7 && word != 0);
        (idc, word) = registry.memberAt(0);
        vm.assertEq(idc | word, 0);
        requireNaiveRoot();
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotDepositor.selector, 1, ATTACKER));
        vm.prank(ATTACKER);
        registry.requestExit(1);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotDepositor.selector, 0, DEPOSITOR));
        withdraw(0, DEPOSITOR);
        requestExit(1);
        vm.warp(block.timestamp + EXIT_DELAY);
        withdraw(1, RECEIVER);
        vm.assertEq(token.balanceOf(RECEIVER), 10 ether);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.CommitmentUsed.selector, 7, DEPOSITOR));
        deposit(7, 1);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.CommitmentUsed.selector, 7, ATTACKER));
        depositAsAttacker(7, 0);
        requireNaiveRoot();
    }

    /// @dev One proof takes every deposit of a known secret, whoever made it, and no more are made.
    function test_slash_TakesEveryMembershipOfACommitment() public {
        deposit(7, 1);
        depositAsAttacker(7, 0);
        uint256[8] memory proof = proofFor(0, RECEIVER);
        registry.slash(1, RECEIVER, proof);
        vm.assertTrue(registry.member(0).status == IRegistry.Status.Active);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.CommitmentSlashed.selector, 7));
        vm.prank(RECEIVER);
        registry.deposit(7, 0);
        registry.slash(0, RECEIVER, proof);
        vm.assertEq(registry.totalOwed(), 0);
        vm.assertEq(token.balanceOf(RECEIVER), 2.75 ether);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MemberGone.selector, 1));
        registry.slash(1, RECEIVER, proof);
        requireNaiveRoot();
    }

    /// @dev The owner pays the same however many copies there are.
    function test_deposit_CostsNoMoreBehindManyCopies() public {
        for (uint256 i = 0; i < 40; ++i) {
            address copier = address(uint160(0xC000 + i));
            fund(copier);
            vm.prank(copier);
            registry.deposit(7, 0);
        }
        uint256 before = gasleft();
        deposit(7, 1);
        vm.assertTrue(before - gasleft() < 300_000);
        vm.assertEq(registry.slotCount(7), 41);
        vm.assertEq(registry.slotAt(7, 40), 40);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownSlot.selector, 7, 41));
        registry.slotAt(7, 41);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownSlot.selector, 8, 0));
        registry.slotAt(8, 0);
        requireNaiveRoot();
    }
}

/// @notice What it costs to take up the tree's slots, which never come back.
contract FillingTest is RegistryTest {
    function test_attack_FillingARegistryCostsAFeeForEachSlot() public {
        uint256 before = token.balanceOf(DEPOSITOR);
        uint256 time = block.timestamp;
        for (uint256 i = 0; i < 10; ++i) {
            uint256 index = deposit(i + 1, 0);
            requestExit(index);
            time += EXIT_DELAY;
            vm.warp(time);
            withdraw(index, DEPOSITOR);
        }
        vm.assertEq(before - token.balanceOf(DEPOSITOR), 10 * FEE);
        vm.assertEq(registry.claimable(TREASURY), 10 * FEE);
        vm.assertEq(registry.totalOwed(), 0);
        registry.claim(TREASURY, TREASURY);
        vm.assertEq(token.balanceOf(TREASURY), 10 * FEE);
        vm.assertEq(token.balanceOf(address(registry)), 0);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NothingToClaim.selector, TREASURY));
        registry.claim(TREASURY, TREASURY);
        deposit(99, 0);
        vm.assertEq(registry.claimable(TREASURY), FEE);
    }

    function test_claim_BurnsTheFeesWithoutATreasury() public {
        IRegistry.Config memory c = config();
        c.treasury = address(0);
        registry = new Registry(c);
        fund(DEPOSITOR);
        deposit(1, 0);
        address burn = registry.treasury();
        registry.claim(burn, burn);
        vm.assertEq(token.balanceOf(burn), FEE);
    }
}

/// @notice Slashes that the token does not pay.
contract RefusedPaymentTest is RegistryTest {
    BlacklistToken private blacklist;

    function setUp() public override {
        super.setUp();
        blacklist = new BlacklistToken();
        IRegistry.Config memory c = config();
        c.token = token = blacklist;
        registry = new Registry(c);
        fund(DEPOSITOR);
    }

    function test_attack_NoTokenDisablesSlashing() public {
        for (uint8 how = 0; how < 5; ++how) {
            blacklist.setRefusal(BlacklistToken.Refusal(how));
            blacklist.setBlocked(TREASURY, true);
            blacklist.setBlocked(RECEIVER, true);
            uint256 index = deposit(uint256(how) + 1, 0);
            uint256[8] memory proof = proofFor(index, RECEIVER);
            uint256 claimable = registry.claimable(TREASURY);
            vm.expectEmit(address(registry));
            emit IRegistry.Credited(RECEIVER, 0.25 ether);
            vm.expectEmit(address(registry));
            emit IRegistry.Credited(TREASURY, 0.75 ether);
            uint256 before = gasleft();
            registry.slash(index, RECEIVER, proof);
            vm.assertTrue(before - gasleft() < 450_000);
            vm.assertTrue(registry.member(index).status == IRegistry.Status.Slashed);
            vm.assertEq(registry.claimable(RECEIVER), 0.25 ether);
            vm.assertEq(registry.claimable(TREASURY), claimable + 0.75 ether);
            vm.assertEq(token.balanceOf(RECEIVER) + token.balanceOf(TREASURY), 0);

            // A claim is refused as the payment was, and loses nothing.
            vm.expectRevert();
            registry.claim{gas: 500_000}(RECEIVER, RECEIVER);
            vm.assertEq(registry.claimable(RECEIVER), 0.25 ether);
            blacklist.setBlocked(RECEIVER, false);
            registry.claim(RECEIVER, RECEIVER);
            vm.assertEq(token.balanceOf(RECEIVER), 0.25 ether);
            vm.prank(RECEIVER);
            token.transfer(address(this), 0.25 ether);
        }
        // An account that the token never pays again names another.
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotClaimant.selector, TREASURY, address(this)));
        registry.claim(TREASURY, address(this));
        vm.expectRevert(IRegistry.ReceiverZero.selector);
        vm.prank(TREASURY);
        registry.claim(TREASURY, address(0));
        vm.prank(TREASURY);
        registry.claim(TREASURY, address(0xF00));
        vm.assertEq(token.balanceOf(address(0xF00)), 5 * (0.75 ether + FEE));
        vm.assertEq(token.balanceOf(address(registry)), 0);
    }

    /// @dev The treasury is paid although the receiver is not.
    function test_slash_PaysTheOtherIfOneCannotBePaid() public {
        blacklist.setBlocked(RECEIVER, true);
        slash(deposit(1, 0));
        vm.assertEq(token.balanceOf(TREASURY), 0.75 ether);
        vm.assertEq(registry.claimable(RECEIVER), 0.25 ether);
    }

    /// @dev A caller cannot starve a payment of gas so that it is credited.
    function test_slash_WantsGasEnoughForItsPayments() public {
        uint256 index = deposit(1, 0);
        uint256[8] memory proof = proofFor(index, RECEIVER);
        uint256 paid = 0;
        for (uint256 limit = 60_000; limit <= 400_000; limit += 4_000) {
            try registry.slash{gas: limit}(index, RECEIVER, proof) {
                ++paid;
                vm.assertEq(token.balanceOf(RECEIVER), 0.25 ether);
                vm.assertEq(token.balanceOf(TREASURY), 0.75 ether);
            } catch {}
        }
        vm.assertEq(paid, 1);
    }

    /// @dev A payment in which a hook spends what there is, or fails.
    function test_slash_OutlivesHooks() public {
        HookToken hooked = new HookToken();
        IRegistry.Config memory c = config();
        c.token = token = hooked;
        registry = new Registry(c);
        fund(DEPOSITOR);
        deposit(1, 0);
        hooked.hook(address(this), abi.encodeCall(this.burnGas, ()));
        slash(0);
        vm.assertEq(registry.claimable(RECEIVER), 0.25 ether);
        hooked.hook(address(0), "");
        registry.claim(RECEIVER, RECEIVER);
        vm.assertEq(token.balanceOf(RECEIVER), 0.25 ether);
    }

    function burnGas() external pure {
        while (true) {}
    }
}
