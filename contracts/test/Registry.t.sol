// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {DevToken} from "../src/dev/DevToken.sol";
import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {ISlashVerifier} from "../src/interfaces/ISlashVerifier.sol";
import {MemberTree} from "../src/libraries/MemberTree.sol";
import {Registry} from "../src/Registry.sol";
import {FeeToken, HookToken} from "./mocks/Tokens.sol";
import {RegistryTest} from "./utils/RegistryTest.sol";

contract RegistryConstructorTest is RegistryTest {
    function test_constructor_KeepsItsConfiguration() public view {
        vm.assertEq(address(registry.token()), address(token));
        vm.assertEq(registry.tierCount(), 3);
        vm.assertEq(registry.tier(1).amount, 10 ether);
        vm.assertEq(registry.tier(1).stake, 10);
        vm.assertEq(registry.tier(1).messageLimit, 100);
        vm.assertEq(registry.exitDelay(), EXIT_DELAY);
        vm.assertEq(registry.rewardBps(), REWARD_BPS);
        vm.assertEq(registry.treasury(), TREASURY);
        vm.assertEq(registry.fee(), FEE);
        vm.assertEq(address(registry.gate()), address(0));
        vm.assertEq(registry.stakePrice(), 0);
        vm.assertTrue(address(registry.verifier()).code.length != 0);
        vm.assertEq(registry.memberCount(), 0);
        vm.assertEq(registry.totalOwed(), 0);
        vm.assertEq(registry.root(), 3579753298464347968175446964060349222759138522794226670675282662699379573112);
    }

    function test_constructor_RevertsWithoutTiersOrWithTooMany() public {
        IRegistry.Config memory c = config();
        c.tiers = new IRegistry.Tier[](0);
        refuse(c, abi.encodeWithSelector(IRegistry.TierCountInvalid.selector, 0));
        c.tiers = new IRegistry.Tier[](256);
        refuse(c, abi.encodeWithSelector(IRegistry.TierCountInvalid.selector, 256));
    }

    function test_constructor_RevertsOnInvalidTier() public {
        bytes memory second = abi.encodeWithSelector(IRegistry.TierInvalid.selector, 1);
        IRegistry.Config memory c = config();
        c.tiers[1].amount = 0;
        refuse(c, second);
        c.tiers[1].amount = uint256(type(uint128).max) + 1;
        refuse(c, second);
        c = config();
        c.tiers[1].stake = 0;
        refuse(c, second);
        c = config();
        c.tiers[1].messageLimit = 0;
        refuse(c, second);
    }

    function test_constructor_RevertsOnAmountsThatDoNotFit() public {
        IRegistry.Config memory c = config();
        c.fee = uint256(type(uint128).max) + 1;
        refuse(c, abi.encodeWithSelector(IRegistry.AmountTooHigh.selector, c.fee));
        c = config();
        c.stakePrice = 1;
        refuse(c, abi.encodeWithSelector(IRegistry.StakePriceWithoutGate.selector));
        c.stakePrice = uint256(type(uint128).max) + 1;
        refuse(c, abi.encodeWithSelector(IRegistry.AmountTooHigh.selector, c.stakePrice));
    }

    function test_constructor_RevertsWithoutExitDelay() public {
        IRegistry.Config memory c = config();
        c.exitDelay = 0;
        refuse(c, abi.encodeWithSelector(IRegistry.ExitDelayZero.selector));
    }

    function test_constructor_RevertsOnRewardAboveTheCap() public {
        IRegistry.Config memory c = config();
        c.rewardBps = 9_001;
        refuse(c, abi.encodeWithSelector(IRegistry.RewardTooHigh.selector, 9_001, 9_000));
        c.rewardBps = 9_000;
        new Registry(c);
    }

    function test_constructor_RevertsWithoutCode() public {
        IRegistry.Config memory c = config();
        c.token = IERC20(address(0x1234));
        refuse(c, abi.encodeWithSelector(IRegistry.NoCode.selector, address(0x1234)));
        c = config();
        c.verifier = ISlashVerifier(address(0x1235));
        refuse(c, abi.encodeWithSelector(IRegistry.NoCode.selector, address(0x1235)));
    }

    function refuse(IRegistry.Config memory c, bytes memory reason) private {
        try new Registry(c) {
            vm.assertTrue(false, "deployed");
        } catch (bytes memory actual) {
            vm.assertTrue(keccak256(actual) == keccak256(reason), "reason");
        }
    }
}

contract RegistryDepositTest is RegistryTest {
    function test_deposit_AppendsAMember() public {
        uint256 since = block.timestamp / 1 days;
        uint256 word = 10 + 2 ** 40 * 100 + 2 ** 64 * since;
        vm.expectEmit(address(registry));
        emit IRegistry.MemberAdded(0, 7, DEPOSITOR, word, 1);
        vm.assertEq(deposit(7, 1), 0);
        vm.assertEq(deposit(8, 0), 1);

        (uint256 idc, uint256 actualWord) = registry.memberAt(0);
        vm.assertEq(idc, 7);
        vm.assertEq(actualWord, word);
        vm.assertEq(registry.memberCount(), 2);
        vm.assertEq(registry.totalOwed(), 11 ether);
        vm.assertEq(token.balanceOf(address(registry)), 11 ether + 2 * FEE);
        IRegistry.Member memory m = registry.member(0);
        vm.assertEq(m.idc, 7);
        vm.assertEq(m.depositor, DEPOSITOR);
        vm.assertEq(m.since, since);
        vm.assertEq(m.tier, 1);
        vm.assertEq(m.stake, 10);
        vm.assertEq(m.messageLimit, 100);
        vm.assertTrue(m.status == IRegistry.Status.Active);
        vm.assertEq(m.withdrawableAt, 0);
        (bool used, uint256 index) = registry.indexOf(8, DEPOSITOR);
        vm.assertTrue(used);
        vm.assertEq(index, 1);
        (used,) = registry.indexOf(8, address(this));
        vm.assertFalse(used);
        (used,) = registry.indexOf(9, DEPOSITOR);
        vm.assertFalse(used);
        (used,) = registry.indexOf(9, address(0));
        vm.assertFalse(used);
        requireNaiveRoot();
    }

    function testFuzz_deposit_WordHoldsTheTerms(uint32 stake, uint16 limit, uint16 since) public {
        vm.assume(stake != 0 && limit != 0);
        IRegistry.Config memory c = config();
        c.tiers[0].stake = stake;
        c.tiers[0].messageLimit = limit;
        registry = new Registry(c);
        fund(DEPOSITOR);
        vm.warp(uint256(since) * 1 days + 3);
        deposit(1, 0);
        (, uint256 word) = registry.memberAt(0);
        vm.assertEq(word, uint256(stake) + 2 ** 40 * uint256(limit) + 2 ** 64 * uint256(since));
    }

    function test_deposit_RevertsOutsideTheField() public {
        uint256[4] memory outside = [0, ORDER, ORDER + 1, type(uint256).max];
        for (uint256 i = 0; i < outside.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IRegistry.CommitmentOutOfRange.selector, outside[i]));
            deposit(outside[i], 0);
        }
        deposit(ORDER - 1, 0);
    }

    function test_deposit_RevertsOnUnknownTier() public {
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownTier.selector, 3));
        deposit(1, 3);
    }

    function test_deposit_RevertsOnACommitmentThatTheDepositorUsedForEver() public {
        bytes memory reason = abi.encodeWithSelector(IRegistry.CommitmentUsed.selector, 7, DEPOSITOR);
        uint256 index = deposit(7, 0);
        vm.expectRevert(reason);
        deposit(7, 1);
        requestExit(index);
        vm.expectRevert(reason);
        deposit(7, 0);
        vm.warp(block.timestamp + EXIT_DELAY);
        withdraw(index, DEPOSITOR);
        vm.expectRevert(reason);
        deposit(7, 0);
    }

    function test_deposit_RevertsOnASlashedCommitmentForEverAndForAll() public {
        deposit(8, 0);
        slash(0);
        bytes memory reason = abi.encodeWithSelector(IRegistry.CommitmentSlashed.selector, 8);
        vm.expectRevert(reason);
        deposit(8, 0);
        fund(RECEIVER);
        vm.expectRevert(reason);
        vm.prank(RECEIVER);
        registry.deposit(8, 0);
    }

    function test_deposit_RevertsWithoutAllowance() public {
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientAllowance.selector, address(registry), 0, 1 ether + FEE
            )
        );
        registry.deposit(1, 0);
    }

    function test_deposit_RevertsWhenFull() public {
        // The counter is the low half of slot 0.
        vm.store(address(registry), 0, bytes32(MemberTree.CAPACITY));
        vm.assertEq(registry.memberCount(), 2_097_152);
        vm.expectRevert(IRegistry.TreeFull.selector);
        deposit(1, 0);
    }

    function test_deposit_RevertsIfTheTokenTakesAFee() public {
        IRegistry.Config memory c = config();
        token = new FeeToken();
        c.token = token;
        registry = new Registry(c);
        fund(DEPOSITOR);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.TokenTookFee.selector, 1 ether + FEE, 1 ether + FEE - 1));
        deposit(1, 0);
    }
}

contract RegistryPermitTest is RegistryTest {
    uint256 private constant KEY = 0xA11CE;
    address private holder;

    function setUp() public override {
        super.setUp();
        holder = vm.addr(KEY);
        token.mint(holder, 100 ether);
    }

    function test_depositWithPermit_NeedsNoAllowanceBefore() public {
        (uint8 v, bytes32 r, bytes32 s) = sign(1 ether + FEE);
        vm.prank(holder);
        registry.depositWithPermit(5, 0, block.timestamp, v, r, s);
        vm.assertEq(registry.member(0).depositor, holder);
        vm.assertEq(token.allowance(holder, address(registry)), 0);
        requireNaiveRoot();
    }

    function test_depositWithPermit_SurvivesAPermitSentBySomebodyElse() public {
        (uint8 v, bytes32 r, bytes32 s) = sign(1 ether + FEE);
        token.permit(holder, address(registry), 1 ether + FEE, block.timestamp, v, r, s);
        vm.prank(holder);
        registry.depositWithPermit(5, 0, block.timestamp, v, r, s);
        vm.assertEq(registry.memberCount(), 1);
    }

    function test_depositWithPermit_RevertsOnAnothersPermit() public {
        (uint8 v, bytes32 r, bytes32 s) = sign(1 ether + FEE);
        vm.expectRevert(
            abi.encodeWithSelector(
                IERC20Errors.ERC20InsufficientAllowance.selector, address(registry), 0, 1 ether + FEE
            )
        );
        vm.prank(RECEIVER);
        registry.depositWithPermit(5, 0, block.timestamp, v, r, s);
    }

    function test_depositWithPermit_RevertsOnUnknownTier() public {
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownTier.selector, 9));
        registry.depositWithPermit(5, 9, block.timestamp, 27, 0, 0);
    }

    function sign(uint256 amount) private view returns (uint8 v, bytes32 r, bytes32 s) {
        bytes32 kind = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");
        bytes32 permit =
            keccak256(abi.encode(kind, holder, address(registry), amount, token.nonces(holder), block.timestamp));
        return vm.sign(KEY, keccak256(abi.encodePacked(hex"1901", token.DOMAIN_SEPARATOR(), permit)));
    }
}

contract RegistryExitTest is RegistryTest {
    function test_requestExit_ZeroesTheSlotAtOnce() public {
        for (uint256 i = 1; i <= 9; ++i) {
            deposit(i, 0);
        }
        uint256 opens = block.timestamp + EXIT_DELAY;
        vm.expectEmit(address(registry));
        emit IRegistry.SlotZeroed(3, 4);
        vm.expectEmit(address(registry));
        emit IRegistry.ExitRequested(3, opens);
        requestExit(3);
        (uint256 idc, uint256 word) = registry.memberAt(3);
        vm.assertEq(idc | word, 0);
        IRegistry.Member memory m = registry.member(3);
        vm.assertEq(m.idc, 4);
        vm.assertTrue(m.status == IRegistry.Status.Exiting);
        vm.assertEq(m.withdrawableAt, opens);
        vm.assertEq(registry.totalOwed(), 9 ether);
        requireNaiveRoot();
        requestExit(8);
        requireNaiveRoot();
        deposit(10, 0);
        requireNaiveRoot();
    }

    function test_requestExit_Reverts() public {
        deposit(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownMember.selector, 1));
        requestExit(1);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotDepositor.selector, 0, address(this)));
        registry.requestExit(0);
        requestExit(0);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.ExitAlreadyRequested.selector, 0));
        requestExit(0);
        vm.warp(block.timestamp + EXIT_DELAY);
        withdraw(0, DEPOSITOR);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MemberGone.selector, 0));
        requestExit(0);
    }

    function test_withdraw_PaysOnceAfterTheDelay() public {
        deposit(1, 1);
        deposit(2, 0);
        requestExit(0);
        uint256 opens = block.timestamp + EXIT_DELAY;
        vm.warp(opens - 1);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.ExitPending.selector, 0, opens));
        withdraw(0, RECEIVER);
        vm.warp(opens);
        vm.expectEmit(address(registry));
        emit IRegistry.Withdrawn(0, RECEIVER, 10 ether);
        withdraw(0, RECEIVER);
        vm.assertEq(token.balanceOf(RECEIVER), 10 ether);
        vm.assertEq(registry.totalOwed(), 1 ether);
        vm.assertTrue(registry.member(0).status == IRegistry.Status.Withdrawn);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MemberGone.selector, 0));
        withdraw(0, RECEIVER);
        requireNaiveRoot();
    }

    function test_withdraw_Reverts() public {
        deposit(1, 0);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownMember.selector, 1));
        withdraw(1, DEPOSITOR);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.NotDepositor.selector, 0, address(this)));
        registry.withdraw(0, DEPOSITOR);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.ExitNotRequested.selector, 0));
        withdraw(0, DEPOSITOR);
        vm.expectRevert(IRegistry.ReceiverZero.selector);
        withdraw(0, address(0));
    }

    function test_membersIn_IsHalfOpenAndChecked() public {
        for (uint256 i = 1; i <= 5; ++i) {
            deposit(i, 0);
        }
        requestExit(2);
        IRegistry.Leaf[] memory leaves = registry.membersIn(1, 4);
        vm.assertEq(leaves.length, 3);
        vm.assertEq(leaves[0].idc, 2);
        vm.assertEq(leaves[1].idc | leaves[1].word, 0);
        vm.assertEq(leaves[2].idc, 4);
        vm.assertEq(registry.membersIn(5, 5).length, 0);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.RangeInvalid.selector, 0, 6));
        registry.membersIn(0, 6);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.RangeInvalid.selector, 3, 2));
        registry.membersIn(3, 2);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownMember.selector, 5));
        registry.member(5);
        (uint256 idc, uint256 word) = registry.memberAt(5);
        vm.assertEq(idc | word, 0);
    }
}

contract RegistrySlashTest is RegistryTest {
    function test_slash_ActiveMember() public {
        deposit(1, 1);
        deposit(2, 0);
        uint256[8] memory proof = proofFor(0, RECEIVER);
        vm.expectEmit(address(registry));
        emit IRegistry.SlotZeroed(0, 1);
        vm.expectEmit(address(registry));
        emit IRegistry.Slashed(0, 1, RECEIVER, 2.5 ether, 7.5 ether);
        registry.slash(0, RECEIVER, proof);
        vm.assertEq(token.balanceOf(RECEIVER), 2.5 ether);
        vm.assertEq(token.balanceOf(TREASURY), 7.5 ether);
        vm.assertEq(registry.totalOwed(), 1 ether);
        vm.assertTrue(registry.member(0).status == IRegistry.Status.Slashed);
        requireNaiveRoot();
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MemberGone.selector, 0));
        registry.slash(0, RECEIVER, proof);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MemberGone.selector, 0));
        requestExit(0);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MemberGone.selector, 0));
        withdraw(0, DEPOSITOR);
    }

    function test_slash_WhileAnExitIsPending() public {
        deposit(1, 0);
        requestExit(0);
        uint256 before = registry.root();
        vm.warp(block.timestamp + 10 * EXIT_DELAY);
        slash(0);
        vm.assertEq(registry.root(), before);
        vm.assertEq(registry.totalOwed(), 0);
        vm.assertEq(token.balanceOf(address(registry)), FEE);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MemberGone.selector, 0));
        withdraw(0, DEPOSITOR);
    }

    function test_slash_RevertsAfterWithdrawal() public {
        deposit(1, 0);
        requestExit(0);
        vm.warp(block.timestamp + EXIT_DELAY);
        withdraw(0, DEPOSITOR);
        uint256[8] memory proof = proofFor(0, RECEIVER);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.MemberGone.selector, 0));
        registry.slash(0, RECEIVER, proof);
    }

    function test_slash_RevertsForAnotherReceiverMemberOrRegistry() public {
        deposit(1, 0);
        deposit(2, 0);
        uint256[8] memory proof = proofFor(0, RECEIVER);
        vm.expectRevert(IRegistry.ProofInvalid.selector);
        registry.slash(0, address(this), proof);
        vm.expectRevert(IRegistry.ProofInvalid.selector);
        registry.slash(1, RECEIVER, proof);
        vm.expectRevert(IRegistry.ReceiverZero.selector);
        registry.slash(0, address(0), proof);
        vm.expectRevert(abi.encodeWithSelector(IRegistry.UnknownMember.selector, 2));
        registry.slash(2, RECEIVER, proof);
        vm.chainId(99);
        vm.expectRevert(IRegistry.ProofInvalid.selector);
        registry.slash(0, RECEIVER, proof);
    }

    function test_slash_RoundsTheRewardDownAndBurnsTheRest() public {
        IRegistry.Config memory c = config();
        c.treasury = address(0);
        c.rewardBps = 3_333;
        registry = new Registry(c);
        fund(DEPOSITOR);
        deposit(1, 2);
        slash(0);
        vm.assertEq(token.balanceOf(RECEIVER), 3_333);
        vm.assertEq(token.balanceOf(0x000000000000000000000000000000000000dEaD), 6_670);
    }

    function test_slash_WorksWithoutAReward() public {
        IRegistry.Config memory c = config();
        c.rewardBps = 0;
        registry = new Registry(c);
        fund(DEPOSITOR);
        deposit(1, 0);
        slash(0);
        vm.assertEq(token.balanceOf(RECEIVER), 0);
        vm.assertEq(token.balanceOf(TREASURY), 1 ether);
    }

    function testFuzz_slash_NeverPaysAllToTheReceiver(uint128 amount, uint16 rewardBps) public {
        IRegistry.Config memory c = config();
        c.tiers[0].amount = bound(amount, 1, 1e9 ether - FEE);
        c.rewardBps = uint16(bound(rewardBps, 0, 9_000));
        registry = new Registry(c);
        fund(DEPOSITOR);
        deposit(1, 0);
        slash(0);
        vm.assertTrue(token.balanceOf(RECEIVER) < c.tiers[0].amount);
        vm.assertEq(token.balanceOf(RECEIVER) + token.balanceOf(TREASURY), c.tiers[0].amount);
        vm.assertEq(token.balanceOf(address(registry)), FEE);
    }

    function test_receiverHash_ProtocolVector() public {
        string memory json = vm.readFile("../circuits/tests/vectors/protocol-v1.json");
        address where = vm.parseJsonAddress(json, ".slash.registry");
        vm.etch(where, address(registry).code);
        vm.chainId(vm.parseUint(vm.parseJsonString(json, ".slash.chain_id")));
        vm.assertEq(
            Registry(where).receiverHash(vm.parseJsonAddress(json, ".slash.address")),
            vm.parseUint(vm.parseJsonString(json, ".slash.receiver"))
        );
    }
}

contract RegistryReentrancyTest is RegistryTest {
    HookToken private hooked;

    function setUp() public override {
        super.setUp();
        IRegistry.Config memory c = config();
        hooked = new HookToken();
        token = hooked;
        c.token = token;
        registry = new Registry(c);
        fund(DEPOSITOR);
    }

    function test_reentrancy_IsRefusedInEveryFunction() public {
        bytes[] memory payloads = new bytes[](7);
        uint256[8] memory proof;
        // Not read anew after each warp: the compiler takes it for constant.
        uint256 time = block.timestamp;
        payloads[0] = abi.encodeCall(IRegistry.deposit, (99, 0));
        payloads[1] = abi.encodeCall(IRegistry.depositWithPermit, (99, 0, 0, 27, 0, 0));
        payloads[2] = abi.encodeCall(IRegistry.requestExit, (0));
        payloads[3] = abi.encodeCall(IRegistry.withdraw, (0, RECEIVER));
        payloads[4] = abi.encodeCall(IRegistry.slash, (0, RECEIVER, proof));
        payloads[5] = abi.encodeCall(IRegistry.claim, (TREASURY, TREASURY));
        payloads[6] = abi.encodeCall(IRegistry.depositGated, (99, 0, ""));
        for (uint256 i = 0; i < payloads.length; ++i) {
            hooked.hook(address(registry), payloads[i]);
            uint256 exiting = deposit(10 * i + 1, 0);
            requireRefused();
            uint256 slashed = deposit(10 * i + 2, 0);
            slash(slashed);
            requireRefused();
            requestExit(exiting);
            time += EXIT_DELAY;
            vm.warp(time);
            withdraw(exiting, RECEIVER);
            requireRefused();
            registry.claim(TREASURY, TREASURY);
            requireRefused();
        }
        // Nor is a payment of a slash for others to call.
        hooked.hook(address(registry), abi.encodeCall(registry.push, (DEPOSITOR, 1)));
        slash(deposit(1_000, 0));
        bytes memory refused =
            abi.encodeWithSelector(IRegistry.NotClaimant.selector, address(registry), address(hooked));
        vm.assertTrue(keccak256(hooked.outcome()) == keccak256(refused), "pushed");
        requireNaiveRoot();
    }

    function requireRefused() private view {
        bytes4 reason = ReentrancyGuard.ReentrancyGuardReentrantCall.selector;
        vm.assertTrue(keccak256(hooked.outcome()) == keccak256(abi.encodePacked(reason)), "reentered");
    }
}
