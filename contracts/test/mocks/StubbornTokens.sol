// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "../../src/dev/DevToken.sol";

/// @notice A token with a list of accounts that it neither pays nor takes from, as stable coins have it, and with
/// several ways to say so.
contract BlacklistToken is DevToken {
    enum Refusal {
        Revert,
        False,
        FalseAfterPaying,
        AllGas,
        Bomb
    }

    mapping(address account => bool) public isBlocked;
    Refusal public refusal;

    error Blocked(address account);

    function setBlocked(address account, bool blocked) external {
        isBlocked[account] = blocked;
    }

    function setRefusal(Refusal refusal_) external {
        refusal = refusal_;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        if (!isBlocked[to]) return super.transfer(to, value);
        if (refusal == Refusal.False) return false;
        if (refusal == Refusal.FalseAfterPaying) {
            super.transfer(to, value);
            return false;
        }
        if (refusal == Refusal.AllGas) {
            while (true) {}
        }
        if (refusal == Refusal.Bomb) {
            // As much memory as the gas allows.
            assembly {
                revert(0, 500000)
            }
        }
        revert Blocked(to);
    }
}
