// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IPoseidonT5} from "../interfaces/IPoseidonT5.sol";

/// @title Append-only Merkle tree of members
/// @notice 4 children a node, 11 levels of hashes. A node of level 1 (a bottom node) hashes two members, (idc, word,
/// idc, word), and a node of a higher level its four children. Only nodes all of whose members were added are stored.
/// @dev No member pays for more than one hash. The second member of a bottom node pays for that node. The first member
/// of bottom node number k pays for at most one node above: one of level l if k, written in base 4, ends in a zero and
/// then l - 2 ones. That comes once in 4^(l-1), never for two levels at one k, and later than the children's own turns.
/// Until its turn a node is complete but not stored, and `root` computes it.
library MemberTree {
    uint256 internal constant LEVELS = 11;
    uint256 internal constant CAPACITY = 2 * 4 ** (LEVELS - 1);
    uint256 private constant LEVEL_SHIFT = 32;

    struct Tree {
        /// Stored nodes by `key`; none of them is zero, for nobody knows a preimage of zero. An array of fixed size
        /// costs no hash to find a slot.
        uint256[LEVELS << LEVEL_SHIFT] nodes;
    }

    /// @dev Stores the bottom node that the member at the odd index `index` completes.
    function storeBottom(
        Tree storage self,
        IPoseidonT5 hasher,
        uint256 index,
        uint256 idcA,
        uint256 wordA,
        uint256 idcB,
        uint256 wordB
    ) internal {
        self.nodes[key(1, index / 2)] = hash4(hasher, idcA, wordA, idcB, wordB);
    }

    /// @dev Stores the node whose turn comes with the member at the even index `index`, if there is one.
    function storeDue(Tree storage self, IPoseidonT5 hasher, uint256 index) internal {
        uint256 bottomNumber = index / 2;
        uint256 digits = bottomNumber;
        uint256 level = 2;
        while (digits & 3 == 1) {
            digits >>= 2;
            ++level;
        }
        uint256 completeNodes = bottomNumber >> (2 * (level - 1));
        if (digits & 3 != 0 || completeNodes == 0) return;
        self.nodes[key(level, completeNodes - 1)] = hashChildren(self, hasher, level, completeNodes - 1, 0);
    }

    /// @dev Brings the stored nodes above the member at `index` up to date with its bottom node's content.
    function update(
        Tree storage self,
        IPoseidonT5 hasher,
        uint256 index,
        uint256 idcA,
        uint256 wordA,
        uint256 idcB,
        uint256 wordB
    ) internal {
        uint256 number = index / 2;
        uint256 slot = slotOf(self, key(1, number));
        if (load(slot) == 0) return;
        uint256 hash = hash4(hasher, idcA, wordA, idcB, wordB);
        for (uint256 level = 1;; ++level) {
            store(slot, hash);
            uint256 first = slotOf(self, key(level, number & ~uint256(3)));
            number >>= 2;
            slot = slotOf(self, key(level + 1, number));
            // A node is stored after its children, so above one that is not stored none is.
            if (load(slot) == 0) return;
            unchecked {
                hash = hash4(hasher, load(first), load(first + 1), load(first + 2), load(first + 3));
            }
        }
    }

    /// @dev The root of the tree of `count` members, the first incomplete bottom node of which holds the given two.
    function root(
        Tree storage self,
        IPoseidonT5 hasher,
        uint256 count,
        uint256 idcA,
        uint256 wordA,
        uint256 idcB,
        uint256 wordB
    ) internal view returns (uint256) {
        // On each level: the first node that is not complete, and the complete one before it if it is not stored.
        uint256 edge = hash4(hasher, idcA, wordA, idcB, wordB);
        uint256 pending = 0;
        uint256 edgeNumber = count / 2;
        for (uint256 level = 2; level <= LEVELS; ++level) {
            uint256 position = edgeNumber % 4;
            edgeNumber /= 4;
            uint256[4] memory children;
            for (uint256 i = 0; i < 4; ++i) {
                if (i < position) children[i] = self.nodes[key(level - 1, 4 * edgeNumber + i)];
                else children[i] = i == position ? edge : zero(level - 1);
            }
            if (position != 0 && pending != 0) children[position - 1] = pending;
            edge = hash4(hasher, children[0], children[1], children[2], children[3]);

            uint256 pendingChild = position == 0 ? pending : 0;
            pending = 0;
            if (edgeNumber != 0 && self.nodes[key(level, edgeNumber - 1)] == 0) {
                pending = hashChildren(self, hasher, level, edgeNumber - 1, pendingChild);
            }
        }
        return count == CAPACITY ? pending : edge;
    }

    /// @dev hasher.hash4 without the copies that the compiler makes of what goes in and out.
    function hash4(IPoseidonT5 hasher, uint256 a, uint256 b, uint256 c, uint256 d) private view returns (uint256 hash) {
        uint256 selector = uint32(IPoseidonT5.hash4.selector);
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, selector)
            mstore(add(data, 0x20), a)
            mstore(add(data, 0x40), b)
            mstore(add(data, 0x60), c)
            mstore(add(data, 0x80), d)
            // It fails only if the gas does not suffice, so that the revert has no reason.
            if iszero(staticcall(gas(), hasher, add(data, 0x1c), 0x84, 0x00, 0x20)) { revert(0x00, 0x00) }
            hash := mload(0x00)
        }
    }

    /// @dev `pendingChild`, if not zero, stands for the last child.
    function hashChildren(Tree storage self, IPoseidonT5 hasher, uint256 level, uint256 number, uint256 pendingChild)
        private
        view
        returns (uint256)
    {
        uint256 first = key(level - 1, 4 * number);
        return hash4(
            hasher,
            self.nodes[first],
            self.nodes[first + 1],
            self.nodes[first + 2],
            pendingChild == 0 ? self.nodes[first + 3] : pendingChild
        );
    }

    /// @dev Of a node up to level LEVELS, so that it lies in the array and needs no check.
    function slotOf(Tree storage self, uint256 nodeKey) private pure returns (uint256 slot) {
        assembly ("memory-safe") {
            slot := add(self.slot, nodeKey)
        }
    }

    function load(uint256 slot) private view returns (uint256 value) {
        assembly ("memory-safe") {
            value := sload(slot)
        }
    }

    function store(uint256 slot, uint256 value) private {
        assembly ("memory-safe") {
            sstore(slot, value)
        }
    }

    /// @dev Where a node is stored: level and number, side by side.
    function key(uint256 level, uint256 number) private pure returns (uint256) {
        return ((level - 1) << LEVEL_SHIFT) | number;
    }

    /// @dev Root of an empty subtree: zero(1) = H4(0, 0, 0, 0), zero(l) = H4 of four times zero(l - 1).
    function zero(uint256 level) private pure returns (uint256) {
        if (level == 1) return 0x0532fd436e19c70e51209694d9c215250937921b8b79060488c1206db73e9946;
        if (level == 2) return 0x1ea8dbbca1ca3a574b1b871aad1e8bc47571c7e11a99a6fb25f3f19d4bfad32c;
        if (level == 3) return 0x1b98ec5a992cd3688e655aef8674386f4e84f0a442eaab4840427e359c214dd2;
        if (level == 4) return 0x0fd83a3939005974d559c13c652a31942ffd61cab9a038e04239af96cafaee14;
        if (level == 5) return 0x11eb54967ae25ce42205223461cda9dbb1a1811db38b71e404d1fd94c9627777;
        if (level == 6) return 0x1c682a99981cf10a215d2788721e0ca060ddc0932cbb04c903eee3bd899dcfc0;
        if (level == 7) return 0x2b3de1ae8e72d64a5cb03934061e3fd03789273f370e32d576ae54b4cbeca719;
        if (level == 8) return 0x1b64ed0dc55f80f1f3da256b451baf16110fc268311a13fe903f87945b734861;
        if (level == 9) return 0x06efb4c4a55b0225fd1088d357b2432f422b0593015c57980e373ecef9029c72;
        return 0x262138dff44f5352d2d7ec48461c771444a6c00c761a3263735d0a99143a51f1;
    }
}
