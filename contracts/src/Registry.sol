// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IRegistry} from "./interfaces/IRegistry.sol";
import {ISlashVerifier} from "./interfaces/ISlashVerifier.sol";
import {IPoseidonT5} from "./interfaces/IPoseidonT5.sol";
import {MemberTree} from "./libraries/MemberTree.sol";
import {PoseidonT5} from "./libraries/PoseidonT5.sol";

/// @title Registry
contract Registry is IRegistry, ReentrancyGuardTransient {
    using MemberTree for MemberTree.Tree;
    using SafeERC20 for IERC20;

    /// @dev All of it to the slasher, and a spammer would slash himself to skip the delay.
    uint256 public constant MAX_REWARD_BPS = 9_000;
    uint256 private constant BPS = 10_000;
    address private constant BURN_ADDRESS = 0x000000000000000000000000000000000000dEaD;

    /// @dev Values of `Record.exitAt` besides a time.
    uint40 private constant ACTIVE = 0;
    uint40 private constant WITHDRAWN = type(uint40).max;
    uint40 private constant SLASHED = type(uint40).max - 1;

    /// @dev A tier in one slot.
    struct StoredTier {
        uint128 amount;
        uint32 stake;
        uint16 messageLimit;
    }

    /// @dev All about a member but its commitment, in one slot. The slot is never cleared: a depositor that is not
    /// zero means that the commitment was used.
    struct Record {
        address depositor;
        uint16 since;
        uint8 tier;
        uint32 index;
        /// ACTIVE, WITHDRAWN, SLASHED, or when the deposit can be withdrawn
        uint40 exitAt;
    }

    /// @inheritdoc IRegistry
    IERC20 public immutable token;
    /// @inheritdoc IRegistry
    ISlashVerifier public immutable verifier;
    /// @notice The tree's hash, deployed by the constructor.
    IPoseidonT5 public immutable hasher;
    /// @inheritdoc IRegistry
    uint32 public immutable exitDelay;
    /// @inheritdoc IRegistry
    uint16 public immutable rewardBps;
    /// @inheritdoc IRegistry
    address public immutable treasury;

    /// @dev One slot with `_totalOwed`, for every deposit writes both.
    uint32 private _memberCount;
    uint224 private _totalOwed;
    uint8 private _tierCount;
    mapping(uint256 number => StoredTier) private _tiers;
    mapping(uint256 index => uint256 idc) private _idcAt;
    mapping(uint256 idc => Record) private _records;
    /// @dev Last, for it spans many slots.
    MemberTree.Tree private _tree;

    constructor(Config memory config) {
        if (config.tiers.length == 0 || config.tiers.length > type(uint8).max) {
            revert TierCountInvalid(config.tiers.length);
        }
        for (uint256 i = 0; i < config.tiers.length; ++i) {
            Tier memory t = config.tiers[i];
            if (t.amount == 0 || t.amount > type(uint128).max || t.stake == 0 || t.messageLimit == 0) {
                revert TierInvalid(i);
            }
            // forge-lint: disable-next-line(unsafe-typecast)
            _tiers[i] = StoredTier({amount: uint128(t.amount), stake: t.stake, messageLimit: t.messageLimit});
        }
        // forge-lint: disable-next-line(unsafe-typecast)
        _tierCount = uint8(config.tiers.length);
        if (config.exitDelay == 0) revert ExitDelayZero();
        if (config.rewardBps > MAX_REWARD_BPS) revert RewardTooHigh(config.rewardBps, MAX_REWARD_BPS);
        if (address(config.token).code.length == 0) revert NoCode(address(config.token));
        if (address(config.verifier).code.length == 0) revert NoCode(address(config.verifier));
        token = config.token;
        verifier = config.verifier;
        hasher = PoseidonT5.deploy();
        exitDelay = config.exitDelay;
        rewardBps = config.rewardBps;
        treasury = config.treasury == address(0) ? BURN_ADDRESS : config.treasury;
    }

    /// @inheritdoc IRegistry
    function deposit(uint256 idc, uint8 tierNumber) external nonReentrant returns (uint256 index) {
        return _deposit(idc, tierNumber, _tier(tierNumber));
    }

    /// @inheritdoc IRegistry
    function depositWithPermit(uint256 idc, uint8 tierNumber, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        returns (uint256 index)
    {
        StoredTier memory t = _tier(tierNumber);
        // Anybody may send the permit first; then this call fails, and the allowance is there all the same.
        try IERC20Permit(address(token)).permit(msg.sender, address(this), t.amount, deadline, v, r, s) {} catch {}
        return _deposit(idc, tierNumber, t);
    }

    /// @inheritdoc IRegistry
    function requestExit(uint256 index) external nonReentrant {
        (uint256 idc, Record storage record) = _find(index);
        if (msg.sender != record.depositor) revert NotDepositor(index, msg.sender);
        uint40 exitAt = record.exitAt;
        if (_isGone(exitAt)) revert MemberGone(index);
        if (exitAt != ACTIVE) revert ExitAlreadyRequested(index);

        exitAt = uint40(block.timestamp + exitDelay);
        record.exitAt = exitAt;
        _zeroSlot(index, idc);
        emit ExitRequested(index, exitAt);
    }

    /// @inheritdoc IRegistry
    function withdraw(uint256 index, address to) external nonReentrant {
        (, Record storage record) = _find(index);
        if (msg.sender != record.depositor) revert NotDepositor(index, msg.sender);
        if (to == address(0)) revert ReceiverZero();
        uint40 exitAt = record.exitAt;
        if (_isGone(exitAt)) revert MemberGone(index);
        if (exitAt == ACTIVE) revert ExitNotRequested(index);
        if (block.timestamp < exitAt) revert ExitPending(index, exitAt);

        record.exitAt = WITHDRAWN;
        uint128 amount = _tiers[record.tier].amount;
        _totalOwed -= amount;
        emit Withdrawn(index, to, amount);
        token.safeTransfer(to, amount);
    }

    /// @inheritdoc IRegistry
    function slash(uint256 index, address receiver, uint256[8] calldata proof) external nonReentrant {
        (uint256 idc, Record storage record) = _find(index);
        if (receiver == address(0)) revert ReceiverZero();
        uint40 exitAt = record.exitAt;
        if (_isGone(exitAt)) revert MemberGone(index);
        if (!verifier.verify(idc, receiverHash(receiver), proof)) revert ProofInvalid();

        record.exitAt = SLASHED;
        if (exitAt == ACTIVE) _zeroSlot(index, idc);
        uint128 amount = _tiers[record.tier].amount;
        _totalOwed -= amount;
        uint256 reward = uint256(amount) * rewardBps / BPS;
        uint256 rest = amount - reward;
        emit Slashed(index, idc, receiver, reward, rest);
        if (reward != 0) token.safeTransfer(receiver, reward);
        token.safeTransfer(treasury, rest);
    }

    /// @inheritdoc IRegistry
    function root() external view returns (uint256) {
        uint256 count = _memberCount;
        (uint256 idcA, uint256 wordA, uint256 idcB, uint256 wordB) = _bottomOf(count);
        return _tree.root(hasher, count, idcA, wordA, idcB, wordB);
    }

    /// @inheritdoc IRegistry
    function memberCount() external view returns (uint256) {
        return _memberCount;
    }

    /// @inheritdoc IRegistry
    function memberAt(uint256 index) external view returns (uint256 idc, uint256 word) {
        return _leaf(index);
    }

    /// @inheritdoc IRegistry
    function membersIn(uint256 from, uint256 to) external view returns (Leaf[] memory leaves) {
        if (from > to || to > _memberCount) revert RangeInvalid(from, to);
        leaves = new Leaf[](to - from);
        for (uint256 i = 0; i < leaves.length; ++i) {
            (leaves[i].idc, leaves[i].word) = _leaf(from + i);
        }
    }

    /// @inheritdoc IRegistry
    function member(uint256 index) external view returns (Member memory m) {
        (uint256 idc, Record storage record) = _find(index);
        m.idc = idc;
        m.depositor = record.depositor;
        m.since = record.since;
        m.tier = record.tier;
        uint40 exitAt = record.exitAt;
        if (exitAt == ACTIVE) {
            m.status = Status.Active;
        } else if (exitAt == WITHDRAWN) {
            m.status = Status.Withdrawn;
        } else if (exitAt == SLASHED) {
            m.status = Status.Slashed;
        } else {
            m.status = Status.Exiting;
            m.withdrawableAt = exitAt;
        }
    }

    /// @inheritdoc IRegistry
    function indexOf(uint256 idc) external view returns (bool used, uint256 index) {
        Record storage record = _records[idc];
        return (record.depositor != address(0), record.index);
    }

    /// @inheritdoc IRegistry
    function tierCount() external view returns (uint256) {
        return _tierCount;
    }

    /// @inheritdoc IRegistry
    function tier(uint256 number) external view returns (Tier memory) {
        StoredTier memory t = _tier(number);
        return Tier({amount: t.amount, stake: t.stake, messageLimit: t.messageLimit});
    }

    /// @inheritdoc IRegistry
    function totalOwed() external view returns (uint256) {
        return _totalOwed;
    }

    /// @inheritdoc IRegistry
    function receiverHash(address receiver) public view returns (uint256) {
        bytes memory preimage = abi.encodePacked("quotapass.receiver.v1", uint8(0), block.chainid, this, receiver);
        // 248 bits, always below the field's order
        return uint256(keccak256(preimage)) >> 8;
    }

    function _deposit(uint256 idc, uint8 tierNumber, StoredTier memory t) private returns (uint256 index) {
        if (idc == 0 || idc >= PoseidonT5.ORDER) revert CommitmentOutOfRange(idc);
        if (_records[idc].depositor != address(0)) revert CommitmentUsed(idc);
        index = _memberCount;
        if (index == MemberTree.CAPACITY) revert TreeFull();

        // Casts: an index is below 2^21, and days fit 16 bits until the year 2149.
        Record memory record = Record({
            depositor: msg.sender,
            since: uint16(block.timestamp / 1 days),
            tier: tierNumber,
            index: uint32(index),
            exitAt: ACTIVE
        });
        uint256 word = _word(t, record.since);
        _records[idc] = record;
        _idcAt[index] = idc;
        _memberCount = uint32(index + 1);
        _totalOwed += t.amount;
        if (index % 2 == 0) {
            _tree.storeDue(hasher, index);
        } else {
            (uint256 idcA, uint256 wordA) = _leaf(index - 1);
            _tree.storeBottom(hasher, index, idcA, wordA, idc, word);
        }
        emit MemberAdded(index, idc, msg.sender, word, tierNumber);
        _take(t.amount);
    }

    /// @dev Takes exactly `amount` tokens from the caller.
    function _take(uint256 amount) private {
        uint256 before = token.balanceOf(address(this));
        token.safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = token.balanceOf(address(this)) - before;
        if (received != amount) revert TokenTookFee(amount, received);
    }

    /// @dev Zeroes the member's slot of the tree; its `exitAt` says so already.
    function _zeroSlot(uint256 index, uint256 idc) private {
        (uint256 otherIdc, uint256 otherWord) = _leaf(index ^ 1);
        if (index % 2 == 0) _tree.update(hasher, index, 0, 0, otherIdc, otherWord);
        else _tree.update(hasher, index, otherIdc, otherWord, 0, 0);
        emit SlotZeroed(index, idc);
    }

    function _find(uint256 index) private view returns (uint256 idc, Record storage record) {
        idc = _idcAt[index];
        if (idc == 0) revert UnknownMember(index);
        record = _records[idc];
    }

    /// @dev What the tree holds at `index`.
    function _leaf(uint256 index) private view returns (uint256, uint256) {
        uint256 idc = _idcAt[index];
        if (idc == 0) return (0, 0);
        Record memory record = _records[idc];
        if (record.exitAt != ACTIVE) return (0, 0);
        return (idc, _word(_tiers[record.tier], record.since));
    }

    /// @dev What the tree holds in the bottom node of `index`.
    function _bottomOf(uint256 index) private view returns (uint256 idcA, uint256 wordA, uint256 idcB, uint256 wordB) {
        (idcA, wordA) = _leaf(index & ~uint256(1));
        (idcB, wordB) = _leaf(index | 1);
    }

    function _tier(uint256 number) private view returns (StoredTier memory t) {
        t = _tiers[number];
        // No tier costs nothing, so the number of tiers need not be read.
        if (t.amount == 0) revert UnknownTier(number);
    }

    function _word(StoredTier memory t, uint16 since) private pure returns (uint256) {
        return t.stake | uint256(t.messageLimit) << 40 | uint256(since) << 64;
    }

    function _isGone(uint40 exitAt) private pure returns (bool) {
        return exitAt == WITHDRAWN || exitAt == SLASHED;
    }
}
