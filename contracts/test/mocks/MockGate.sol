// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IGate} from "../../src/interfaces/IGate.sol";

/// @notice Admits whom its data says, once each, and can do harm on the way.
contract MockGate is IGate {
    error AlreadyAdmitted(address account);

    mapping(address account => bool) public isAdmitted;
    address private target;
    bytes private payload;
    bytes public outcome;
    bool private burns;

    function hook(address target_, bytes calldata payload_) external {
        (target, payload) = (target_, payload_);
    }

    function burn() external {
        burns = true;
    }

    function admits(address account, bytes calldata data) external returns (uint32 stake, uint16 messageLimit) {
        if (isAdmitted[account]) revert AlreadyAdmitted(account);
        isAdmitted[account] = true;
        while (burns) {}
        if (target != address(0)) {
            (bool success, bytes memory answer) = target.call(payload);
            outcome = success ? bytes("succeeded") : answer;
        }
        return abi.decode(data, (uint32, uint16));
    }
}

/// @notice Answers with more bits than a stake has.
contract WideGate {
    function admits(address, bytes calldata) external pure returns (uint256 stake, uint256 messageLimit) {
        return (1 << 32, 1);
    }
}
