// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {PoseidonT5} from "../../src/libraries/PoseidonT5.sol";
import {Test} from "../utils/Test.sol";

contract PoseidonT5Test is Test {
    function test_hash4_ProtocolVector() public view {
        uint256 before = gasleft();
        uint256 h = PoseidonT5.hash4(1, 2, 3, 4);
        uint256 used = before - gasleft();
        vm.assertEq(h, 18821383157269793795438455681495246036402687001665670618754263018637548127333);
        vm.assertEq(used, 0, "gas");
    }
}
