// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {IGate} from "../src/interfaces/IGate.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {Registry} from "../src/Registry.sol";
import {MockGate, WideGate} from "./mocks/MockGate.sol";
import {RegistryTest} from "./utils/RegistryTest.sol";

contract GateTest is RegistryTest {
    uint256 private constant PRICE = 2 ether;

    MockGate private gate;

    function setUp() public override {
        super.setUp();
        gate = new MockGate();
        gated(PRICE);
    }

    function gated(uint256 price) private {
        registry = new Registry(gatedConfig(price));
        fund(DEPOSITOR);
    }

    function gatedConfig(uint256 price) private returns (IRegistry.Config memory c) {
        c = config();
        c.tiers = new IRegistry.Tier[](0);
        c.gate = gate;
        c.stakePrice = price;
    }

    function join(address account, uint256 idc, uint32 stake, uint16 limit) private returns (uint256) {
        uint256 amount = stake * registry.stakePrice();
        vm.prank(account);
        return registry.depositGated(idc, amount, abi.encode(stake, limit));
    }

    function test_constructor_TakesTiersOrAGate() public {
        IRegistry.Config memory c = gatedConfig(PRICE);
        c.tiers = config().tiers;
        try new Registry(c) {
            vm.assertTrue(false);
        } catch (bytes memory reason) {
            bytes memory expected = abi.encodeWithSelector(IRegistry.TierCountInvalid.selector, 3);
            vm.assertTrue(keccak256(reason) == keccak256(expected));
        }
        c = gatedConfig(PRICE);
        c.gate = IGate(address(0x1234));
        try new Registry(c) {
            vm.assertTrue(false);
        } catch (bytes memory reason) {
            bytes memory expected = abi.encodeWithSelector(IRegistry.NoCode.selector, address(0x1234));
            vm.assertTrue(keccak256(reason) == keccak256(expected));
        }
    }

    function test_depositGated_TakesTheGatesTerms() public {
        uint256 since = block.timestamp / 1 days;
        uint256 before = token.balanceOf(DEPOSITOR);
        vm.expectEmit(address(registry));
        emit IRegistry.MemberAdded(0, 5, DEPOSITOR, 3 + 2 ** 40 * 40 + 2 ** 64 * since, 0);
        vm.assertEq(join(DEPOSITOR, 5, 3, 40), 0);
        vm.assertEq(before - token.balanceOf(DEPOSITOR), 3 * PRICE + FEE);
        vm.assertEq(registry.totalOwed(), 3 * PRICE);
        IRegistry.Member memory m = registry.member(0);
        vm.assertTrue(m.stake == 3 && m.messageLimit == 40 && m.tier == 0 && m.since == since);
        vm.assertEq(registry.tierCount(), 0);
        requireNaiveRoot();

        requestExit(0);
        vm.warp(block.timestamp + EXIT_DELAY);
        withdraw(0, RECEIVER);
        vm.assertEq(token.balanceOf(RECEIVER), 3 * PRICE);
        vm.assertEq(registry.totalOwed(), 0);
    }

    function test_depositGated_SlashesWhatTheStakeCost() public {
        join(DEPOSITOR, 5, 4, 40);
        slash(0);
        vm.assertEq(token.balanceOf(RECEIVER), PRICE);
        vm.assertEq(token.balanceOf(TREASURY), 3 * PRICE);
        requireNaiveRoot();
    }

    function test_depositGated_ZeroStakeIsAMembershipWithoutADeposit() public {
        IRegistry.Config memory c = gatedConfig(PRICE);
        c.fee = 0;
        registry = new Registry(c);
        // Nothing is taken, so that nothing has to be there.
        address poor = address(0xF00D);
        join(poor, 5, 0, 7);
        address other = address(0xF00E);
        join(other, 6, 0, 7);
        vm.assertEq(token.balanceOf(address(registry)), 0);
        requireNaiveRoot();
        slash(0);
        vm.assertTrue(registry.member(0).status == IRegistry.Status.Slashed);
        vm.assertEq(token.balanceOf(RECEIVER) + token.balanceOf(TREASURY), 0);
        vm.prank(other);
        registry.requestExit(1);
        vm.warp(block.timestamp + EXIT_DELAY);
        vm.prank(other);
        registry.withdraw(1, other);
        vm.assertTrue(registry.member(1).status == IRegistry.Status.Withdrawn);
        requireNaiveRoot();
    }

    function test_depositGated_AFeeIsPaidWithoutADeposit() public {
        join(DEPOSITOR, 5, 0, 7);
        vm.assertEq(registry.claimable(TREASURY), FEE);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(registry), 0, FEE)
        );
        vm.prank(address(0xF00D));
        registry.depositGated(6, 0, abi.encode(0, 7));
    }

    function test_depositGated_RefusesWhomTheGateRefuses() public {
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotAdmitted.selector, DEPOSITOR));
        vm.prank(DEPOSITOR);
        registry.depositGated(5, 3 * PRICE, abi.encode(3, 0));
        join(DEPOSITOR, 5, 3, 1);
        vm.expectRevert(abi.encodeWithSelector(MockGate.AlreadyAdmitted.selector, DEPOSITOR));
        vm.prank(DEPOSITOR);
        registry.depositGated(6, 3 * PRICE, abi.encode(3, 1));
        vm.assertEq(registry.memberCount(), 1);
    }

    function test_depositGated_TakesNoMoreThanTheCallerAllows() public {
        vm.expectRevert(abi.encodeWithSelector(IRegistry.DepositAboveMaximum.selector, 3 * PRICE, 3 * PRICE - 1));
        vm.prank(DEPOSITOR);
        registry.depositGated(5, 3 * PRICE - 1, abi.encode(3, 1));
    }

    function test_depositGated_TheOnlyWayInWithAGateAndNoneWithout() public {
        vm.expectRevert(IRegistry.HasGate.selector);
        deposit(5, 0);
        vm.expectRevert(IRegistry.HasGate.selector);
        vm.prank(DEPOSITOR);
        registry.depositWithPermit(5, 0, 0, 27, 0, 0);
        registry = new Registry(config());
        fund(DEPOSITOR);
        vm.expectRevert(IRegistry.HasNoGate.selector);
        vm.prank(DEPOSITOR);
        registry.depositGated(5, 1 ether, abi.encode(3, 1));
    }

    function test_depositGated_BoundsTheGatesGas() public {
        gate.burn();
        uint256 before = gasleft();
        try registry.depositGated(5, 0, abi.encode(0, 1)) {
            vm.assertTrue(false);
        } catch {}
        vm.assertTrue(before - gasleft() < registry.GATE_GAS() + 100_000);
    }

    function test_depositGated_RefusesTermsThatDoNotFit() public {
        IRegistry.Config memory c = gatedConfig(PRICE);
        c.gate = IGate(address(new WideGate()));
        registry = new Registry(c);
        vm.expectRevert();
        vm.prank(DEPOSITOR);
        registry.depositGated(5, type(uint256).max, "");
    }

    function test_depositGated_RefusesReentrance() public {
        gate.hook(address(registry), abi.encodeCall(IRegistry.depositGated, (6, 0, abi.encode(0, 1))));
        join(DEPOSITOR, 5, 3, 1);
        bytes4 reason = ReentrancyGuard.ReentrancyGuardReentrantCall.selector;
        vm.assertTrue(keccak256(gate.outcome()) == keccak256(abi.encodePacked(reason)), "reentered");
        vm.assertEq(registry.memberCount(), 1);
        requireNaiveRoot();
    }

    function testFuzz_depositGated_OwesWhatItHolds(uint32 stake, uint16 limit, uint128 price) public {
        price = uint128(bound(price, 0, 1e9 ether / (uint256(stake) + 1)));
        vm.assume(limit != 0);
        gated(price);
        token.mint(DEPOSITOR, FEE);
        join(DEPOSITOR, 5, stake, limit);
        vm.assertEq(registry.totalOwed(), uint256(stake) * price);
        vm.assertEq(token.balanceOf(address(registry)), uint256(stake) * price + FEE);
        (, uint256 word) = registry.memberAt(0);
        vm.assertEq(word, uint256(stake) + 2 ** 40 * uint256(limit) + 2 ** 64 * (block.timestamp / 1 days));
        slash(0);
        vm.assertEq(token.balanceOf(address(registry)), FEE);
        vm.assertEq(registry.claimable(TREASURY), FEE);
    }
}
