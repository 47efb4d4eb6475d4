// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// @title Token for development and tests
/// @notice Anybody may mint: it has no value and must never have one.
contract DevToken is ERC20, ERC20Permit {
    constructor() ERC20("quotapass development token", "DEV") ERC20Permit("quotapass development token") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
