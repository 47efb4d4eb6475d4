// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IRegistry} from "../src/interfaces/IRegistry.sol";
import {Registry} from "../src/Registry.sol";
import {BlacklistToken} from "./mocks/StubbornTokens.sol";
import {RegistryTest} from "./utils/RegistryTest.sol";

/// @notice Does what depositors and slashers can do, in any order, and counts what left for each member.
contract RegistryHandler is RegistryTest {
    address private constant SECOND = address(0xD1);

    BlacklistToken private blacklist;
    uint256 public paidOut;
    uint256 public takenIn;
    mapping(uint256 index => uint256) public payments;
    uint256 private next = 1;

    constructor() {
        setUp();
        blacklist = new BlacklistToken();
        IRegistry.Config memory c = config();
        c.token = token = blacklist;
        registry = new Registry(c);
        fund(DEPOSITOR);
        fund(SECOND);
    }

    function addMembers(uint8 count, uint8 tier) external {
        for (uint256 i = 0; i < count % 12 + 1; ++i) {
            uint8 number = uint8((tier + i) % 3);
            deposit(uint256(keccak256(abi.encode(next++))) % ORDER, number);
            takenIn += registry.tier(number).amount + FEE;
        }
    }

    /// @dev Somebody else deposits for a commitment that is there already.
    function attemptCopy(uint256 index, uint8 tier) external {
        if (!exists(index)) return;
        uint256 idc = registry.member(index % registry.memberCount()).idc;
        vm.prank(SECOND);
        try registry.deposit(idc, tier % 3) {
            takenIn += registry.tier(tier % 3).amount + FEE;
        } catch {}
    }

    /// @dev The token stops paying an account, in one way or another, or pays it again.
    function refuse(uint8 who, uint8 how) external {
        address account = who % 2 == 0 ? TREASURY : RECEIVER;
        blacklist.setRefusal(BlacklistToken.Refusal(how % 5));
        blacklist.setBlocked(account, who % 3 != 0);
    }

    function attemptClaim(uint8 who) external {
        address account = who % 2 == 0 ? TREASURY : RECEIVER;
        uint256 before = token.balanceOf(address(registry));
        // The gas of a refusal that takes all of it is bounded.
        try registry.claim{gas: 500_000}(account, account) {
            paidOut += before - token.balanceOf(address(registry));
            vm.assertEq(registry.claimable(account), 0);
        } catch {}
    }

    function exit(uint256 index) external {
        if (!exists(index)) return;
        index %= registry.memberCount();
        address depositor = registry.member(index).depositor;
        if (registry.member(index).status != IRegistry.Status.Active) return;
        vm.prank(depositor);
        registry.requestExit(index);
    }

    function wait(uint16 time) external {
        vm.warp(block.timestamp + uint256(time) * 30);
    }

    function attemptWithdraw(uint256 index) external {
        if (!exists(index)) return;
        index %= registry.memberCount();
        uint256 before = token.balanceOf(address(registry));
        address depositor = registry.member(index).depositor;
        vm.prank(depositor);
        try registry.withdraw{gas: 500_000}(index, RECEIVER) {
            record(index, before);
        } catch {}
    }

    function attemptSlash(uint256 index) external {
        if (!exists(index)) return;
        index %= registry.memberCount();
        uint256[8] memory proof = proofFor(index, RECEIVER);
        uint256 before = token.balanceOf(address(registry));
        IRegistry.Status status = registry.member(index).status;
        if (status == IRegistry.Status.Withdrawn || status == IRegistry.Status.Slashed) return;
        // Whatever the token does, it never fails.
        registry.slash(index, RECEIVER, proof);
        record(index, before);
    }

    function requireRoot() external view {
        requireNaiveRoot();
    }

    function requireFunds() external view {
        uint256 balance = token.balanceOf(address(registry));
        vm.assertEq(balance, takenIn - paidOut, "no other way out");
        uint256 held = balance - registry.claimable(TREASURY) - registry.claimable(RECEIVER);
        vm.assertEq(registry.totalOwed(), held, "owed is held");
        uint256 owed = 0;
        for (uint256 i = 0; i < registry.memberCount(); ++i) {
            IRegistry.Member memory m = registry.member(i);
            bool gone = m.status == IRegistry.Status.Withdrawn || m.status == IRegistry.Status.Slashed;
            if (!gone) owed += registry.tier(m.tier).amount;
            vm.assertEq(payments[i], gone ? 1 : 0, "a deposit leaves once");
        }
        vm.assertEq(owed, held, "sum of deposits");
    }

    function exists(uint256) private view returns (bool) {
        return registry.memberCount() != 0;
    }

    function record(uint256 index, uint256 before) private {
        paidOut += before - token.balanceOf(address(registry));
        ++payments[index];
    }
}

contract RegistryInvariantTest is RegistryTest {
    RegistryHandler private handler;

    struct Selectors {
        address target;
        bytes4[] selectors;
    }

    function setUp() public override {
        handler = new RegistryHandler();
    }

    /// @dev forge reads from these two what it may call.
    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() public view returns (Selectors[] memory targets) {
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = RegistryHandler.addMembers.selector;
        selectors[1] = RegistryHandler.exit.selector;
        selectors[2] = RegistryHandler.wait.selector;
        selectors[3] = RegistryHandler.attemptWithdraw.selector;
        selectors[4] = RegistryHandler.attemptSlash.selector;
        selectors[5] = RegistryHandler.attemptCopy.selector;
        selectors[6] = RegistryHandler.refuse.selector;
        selectors[7] = RegistryHandler.attemptClaim.selector;
        targets = new Selectors[](1);
        targets[0] = Selectors(address(handler), selectors);
    }

    function invariant_RootEqualsOneFromScratch() public view {
        handler.requireRoot();
    }

    function invariant_OwesWhatItHoldsAndPaysOnce() public view {
        handler.requireFunds();
    }
}
