// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {ISlashVerifier} from "./interfaces/ISlashVerifier.sol";

/// @title Groth16 verifier of the slash statement
/// @notice BN254, two public inputs. The verifying key comes with the deployment, so that another key needs no compiler.
/// @dev e(A, B) = e(alpha, beta) e(L, gamma) e(C, delta) with L = ic0 + idc ic1 + receiver ic2 (Groth 2016/260).
contract SlashVerifier is ISlashVerifier {
    /// @notice A verifying key in the words and the order of the precompiles (EIP-197): x, y of a point of G1;
    /// x.c1, x.c0, y.c1, y.c0 of a point of G2, where a coordinate is c0 + c1 i.
    struct VerifyingKey {
        uint256[2] alpha;
        uint256[4] beta;
        uint256[4] gamma;
        uint256[4] delta;
        uint256[2] ic0;
        uint256[2] ic1;
        uint256[2] ic2;
    }

    error KeyInvalid();

    /// Order of the groups
    uint256 private constant ORDER = 0x30644e72e131a029b85045b68181585d2833e84879b9709143e1f593f0000001;
    /// Order of the field of coordinates
    uint256 private constant BASE = 0x30644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd47;
    uint256 private constant EC_ADD = 6;
    uint256 private constant EC_MUL = 7;
    uint256 private constant EC_PAIRING = 8;

    uint256 private immutable ALPHA_X;
    uint256 private immutable ALPHA_Y;
    uint256 private immutable BETA_X1;
    uint256 private immutable BETA_X0;
    uint256 private immutable BETA_Y1;
    uint256 private immutable BETA_Y0;
    uint256 private immutable GAMMA_X1;
    uint256 private immutable GAMMA_X0;
    uint256 private immutable GAMMA_Y1;
    uint256 private immutable GAMMA_Y0;
    uint256 private immutable DELTA_X1;
    uint256 private immutable DELTA_X0;
    uint256 private immutable DELTA_Y1;
    uint256 private immutable DELTA_Y0;
    uint256 private immutable IC0_X;
    uint256 private immutable IC0_Y;
    uint256 private immutable IC1_X;
    uint256 private immutable IC1_Y;
    uint256 private immutable IC2_X;
    uint256 private immutable IC2_Y;

    constructor(VerifyingKey memory key) {
        _requirePoints(key);
        (ALPHA_X, ALPHA_Y) = (key.alpha[0], key.alpha[1]);
        (BETA_X1, BETA_X0, BETA_Y1, BETA_Y0) = (key.beta[0], key.beta[1], key.beta[2], key.beta[3]);
        (GAMMA_X1, GAMMA_X0, GAMMA_Y1, GAMMA_Y0) = (key.gamma[0], key.gamma[1], key.gamma[2], key.gamma[3]);
        (DELTA_X1, DELTA_X0, DELTA_Y1, DELTA_Y0) = (key.delta[0], key.delta[1], key.delta[2], key.delta[3]);
        (IC0_X, IC0_Y) = (key.ic0[0], key.ic0[1]);
        (IC1_X, IC1_Y) = (key.ic1[0], key.ic1[1]);
        (IC2_X, IC2_Y) = (key.ic2[0], key.ic2[1]);
    }

    /// @inheritdoc ISlashVerifier
    /// @dev Computed from the words that `verify` uses and not kept, so that whoever knows this code need not trust who
    /// deployed it.
    function keyHash() external view returns (bytes32) {
        return sha256(
            bytes.concat(
                abi.encode(ALPHA_X, ALPHA_Y, BETA_X1, BETA_X0, BETA_Y1, BETA_Y0),
                abi.encode(GAMMA_X1, GAMMA_X0, GAMMA_Y1, GAMMA_Y0),
                abi.encode(DELTA_X1, DELTA_X0, DELTA_Y1, DELTA_Y0),
                abi.encode(IC0_X, IC0_Y, IC1_X, IC1_Y, IC2_X, IC2_Y)
            )
        );
    }

    /// @inheritdoc ISlashVerifier
    function verify(uint256 idc, uint256 receiver, uint256[8] calldata proof) external view returns (bool valid) {
        if (idc >= ORDER || receiver >= ORDER) return false;
        // -A is computed here, so the precompile would not see that A.y was out of range. It checks all the others.
        uint256 y = proof[1];
        if (y >= BASE) return false;
        (bool ok, uint256 inputsX, uint256 inputsY) = _inputs(idc, receiver);
        if (!ok) return false;

        uint256[24] memory pairs = [
            proof[0],
            y == 0 ? 0 : BASE - y,
            proof[2],
            proof[3],
            proof[4],
            proof[5],
            ALPHA_X,
            ALPHA_Y,
            BETA_X1,
            BETA_X0,
            BETA_Y1,
            BETA_Y0,
            inputsX,
            inputsY,
            GAMMA_X1,
            GAMMA_X0,
            GAMMA_Y1,
            GAMMA_Y0,
            proof[6],
            proof[7],
            DELTA_X1,
            DELTA_X0,
            DELTA_Y1,
            DELTA_Y0
        ];
        return _pairing(pairs, 4);
    }

    /// @dev L = ic0 + idc ic1 + receiver ic2.
    function _inputs(uint256 idc, uint256 receiver) private view returns (bool ok, uint256 x, uint256 y) {
        (ok, x, y) = _mulAdd(IC1_X, IC1_Y, idc, IC0_X, IC0_Y);
        if (ok) (ok, x, y) = _mulAdd(IC2_X, IC2_Y, receiver, x, y);
    }

    /// @dev factor (x, y) + (toX, toY).
    function _mulAdd(uint256 x, uint256 y, uint256 factor, uint256 toX, uint256 toY)
        private
        view
        returns (bool ok, uint256 outX, uint256 outY)
    {
        uint256[4] memory words = [x, y, factor, 0];
        assembly ("memory-safe") {
            ok := staticcall(gas(), EC_MUL, words, 0x60, words, 0x40)
        }
        (words[2], words[3]) = (toX, toY);
        assembly ("memory-safe") {
            ok := and(staticcall(gas(), EC_ADD, words, 0x80, words, 0x40), ok)
        }
        return (ok, words[0], words[1]);
    }

    /// @dev Whether the product of the first `count` pairings is one. False if a point is not in its group.
    function _pairing(uint256[24] memory pairs, uint256 count) private view returns (bool valid) {
        assembly ("memory-safe") {
            let ok := staticcall(gas(), EC_PAIRING, pairs, mul(count, 192), 0x00, 0x20)
            valid := and(and(ok, eq(returndatasize(), 0x20)), eq(mload(0x00), 1))
        }
    }

    /// @dev The precompile refuses what is not a point of its group. Pairing with itself and its negative tells it.
    function _requirePoints(VerifyingKey memory key) private view {
        uint256[2][4] memory pointsG1 = [key.alpha, key.ic0, key.ic1, key.ic2];
        uint256[4][4] memory pointsG2 = [key.beta, key.gamma, key.delta, key.beta];
        for (uint256 i = 0; i < 4; ++i) {
            uint256[2] memory g1 = pointsG1[i];
            uint256[4] memory g2 = pointsG2[i];
            // The point at infinity has no place in a key.
            if (g1[1] == 0 || g1[1] >= BASE || (g2[2] == 0 && g2[3] == 0)) revert KeyInvalid();
            uint256[24] memory pairs;
            (pairs[0], pairs[1], pairs[6], pairs[7]) = (g1[0], g1[1], g1[0], BASE - g1[1]);
            for (uint256 j = 0; j < 4; ++j) {
                (pairs[2 + j], pairs[8 + j]) = (g2[j], g2[j]);
            }
            if (!_pairing(pairs, 2)) revert KeyInvalid();
        }
    }
}
