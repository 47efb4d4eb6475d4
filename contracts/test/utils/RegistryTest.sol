// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "../../src/dev/DevToken.sol";
import {IRegistry} from "../../src/interfaces/IRegistry.sol";
import {Registry} from "../../src/Registry.sol";
import {MockVerifier} from "../mocks/MockVerifier.sol";
import {NaiveTree} from "./NaiveTree.sol";
import {Test} from "./Test.sol";

/// @notice A registry with three tiers, a token, and a depositor with an allowance.
abstract contract RegistryTest is Test {
    uint32 internal constant EXIT_DELAY = 14 days;
    uint16 internal constant REWARD_BPS = 2_500;
    uint256 internal constant FEE = 0.01 ether;
    address internal constant DEPOSITOR = address(0xD0);
    address internal constant TREASURY = address(0x77);
    address internal constant RECEIVER = address(0x55);

    DevToken internal token;
    Registry internal registry;

    function setUp() public virtual {
        vm.warp(1_795_000_000);
        token = new DevToken();
        registry = new Registry(config());
        fund(DEPOSITOR);
    }

    function config() internal returns (IRegistry.Config memory c) {
        c.token = token;
        c.tiers = new IRegistry.Tier[](3);
        c.tiers[0] = IRegistry.Tier({amount: 1 ether, stake: 1, messageLimit: 10});
        c.tiers[1] = IRegistry.Tier({amount: 10 ether, stake: 10, messageLimit: 100});
        c.tiers[2] = IRegistry.Tier({amount: 10_003, stake: type(uint32).max, messageLimit: type(uint16).max});
        c.fee = FEE;
        c.exitDelay = EXIT_DELAY;
        c.rewardBps = REWARD_BPS;
        c.treasury = TREASURY;
        c.verifier = new MockVerifier();
    }

    function fund(address account) internal {
        token.mint(account, 1e9 ether);
        vm.prank(account);
        token.approve(address(registry), type(uint256).max);
    }

    function deposit(uint256 idc, uint8 tier) internal returns (uint256) {
        vm.prank(DEPOSITOR);
        return registry.deposit(idc, tier);
    }

    function requestExit(uint256 index) internal {
        vm.prank(DEPOSITOR);
        registry.requestExit(index);
    }

    function withdraw(uint256 index, address to) internal {
        vm.prank(DEPOSITOR);
        registry.withdraw(index, to);
    }

    /// @dev What `MockVerifier` accepts.
    function proofFor(uint256 index, address receiver) internal view returns (uint256[8] memory proof) {
        proof[0] = registry.member(index).idc;
        proof[1] = registry.receiverHash(receiver);
    }

    function slash(uint256 index) internal {
        registry.slash(index, RECEIVER, proofFor(index, RECEIVER));
    }

    function naiveRoot() internal view returns (uint256) {
        return NaiveTree.root(registry.hasher(), registry.membersIn(0, registry.memberCount()), 11);
    }

    function requireNaiveRoot() internal view {
        vm.assertEq(registry.root(), naiveRoot(), "root");
    }
}
