// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {DevToken} from "../../src/dev/DevToken.sol";

/// @notice Keeps one unit of every transfer.
contract FeeToken is DevToken {
    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (from != address(0) && to != address(0)) super._update(to, address(0), 1);
    }
}

/// @notice Calls a target in the middle of every transfer, as ERC-777 hooks do, and keeps what came of it.
contract HookToken is DevToken {
    address public target;
    bytes public payload;
    bytes public outcome;

    function hook(address target_, bytes calldata payload_) external {
        (target, payload) = (target_, payload_);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (target != address(0)) {
            (bool success, bytes memory data) = target.call(payload);
            outcome = success ? bytes("succeeded") : data;
        }
    }
}
