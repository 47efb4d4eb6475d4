// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IGate} from "./interfaces/IGate.sol";
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
    /// @notice What a payment of a slash may use. A token of usual make needs half of it; one that needs more is claimed.
    uint256 public constant PUSH_GAS = 100_000;
    /// @notice What a gate may use.
    uint256 public constant GATE_GAS = 1_000_000;
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
        /// Below 2^21
        uint24 index;
        /// Whether the commitment was slashed; kept in the commitment's first record alone
        bool isCommitmentSlashed;
        /// ACTIVE, WITHDRAWN, SLASHED, or when the deposit can be withdrawn
        uint40 exitAt;
    }

    /// @dev What a gate decided of a member.
    struct GatedTerms {
        uint32 stake;
        uint16 messageLimit;
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
    /// @inheritdoc IRegistry
    IGate public immutable gate;
    /// @inheritdoc IRegistry
    uint256 public immutable stakePrice;
    /// @inheritdoc IRegistry
    uint256 public immutable fee;

    /// @dev One slot with `_totalOwed`, for every deposit writes both.
    uint32 private _memberCount;
    uint224 private _totalOwed;
    uint8 private _tierCount;
    mapping(uint256 number => StoredTier) private _tiers;
    mapping(uint256 index => uint256 idc) private _idcAt;
    /// @dev The first member of each commitment. Nearly always the only one, so that it costs no more than that.
    mapping(uint256 idc => Record) private _records;
    /// @dev The further members of a commitment, which other depositors added.
    mapping(uint256 index => Record) private _laterRecords;
    mapping(uint256 idc => uint32[] indices) private _laterIndices;
    /// @dev The index plus one.
    mapping(uint256 idc => mapping(address depositor => uint256)) private _laterIndexOf;
    mapping(uint256 index => GatedTerms) private _gatedTerms;
    mapping(address account => uint256) private _credits;
    /// @dev Every member paid one fee, so this says how much the treasury has to get.
    uint256 private _feesClaimed;
    /// @dev Last, for it spans many slots.
    MemberTree.Tree private _tree;

    constructor(Config memory config) {
        bool isGated = address(config.gate) != address(0);
        if (config.tiers.length > type(uint8).max || (config.tiers.length == 0) != isGated) {
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
        if (config.fee > type(uint128).max) revert AmountTooHigh(config.fee);
        if (config.stakePrice > type(uint128).max) revert AmountTooHigh(config.stakePrice);
        if (config.stakePrice != 0 && !isGated) revert StakePriceWithoutGate();
        if (config.exitDelay == 0) revert ExitDelayZero();
        if (config.rewardBps > MAX_REWARD_BPS) revert RewardTooHigh(config.rewardBps, MAX_REWARD_BPS);
        if (address(config.token).code.length == 0) revert NoCode(address(config.token));
        if (address(config.verifier).code.length == 0) revert NoCode(address(config.verifier));
        if (isGated && address(config.gate).code.length == 0) revert NoCode(address(config.gate));
        token = config.token;
        verifier = config.verifier;
        hasher = PoseidonT5.deploy();
        exitDelay = config.exitDelay;
        rewardBps = config.rewardBps;
        treasury = config.treasury == address(0) ? BURN_ADDRESS : config.treasury;
        gate = config.gate;
        stakePrice = config.stakePrice;
        fee = config.fee;
    }

    /// @inheritdoc IRegistry
    function deposit(uint256 idc, uint8 tierNumber) external nonReentrant returns (uint256 index) {
        return _depositInTier(idc, tierNumber, _tier(tierNumber));
    }

    /// @inheritdoc IRegistry
    function depositWithPermit(uint256 idc, uint8 tierNumber, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        nonReentrant
        returns (uint256 index)
    {
        StoredTier memory t = _tier(tierNumber);
        // Anybody may send the permit first; then this call fails, and the allowance is there all the same.
        try IERC20Permit(address(token)).permit(msg.sender, address(this), t.amount + fee, deadline, v, r, s) {}
            catch {}
        return _depositInTier(idc, tierNumber, t);
    }

    /// @inheritdoc IRegistry
    function depositGated(uint256 idc, uint256 maxAmount, bytes calldata data)
        external
        nonReentrant
        returns (uint256 index)
    {
        if (!_isGated()) revert HasNoGate();
        (uint32 stake, uint16 messageLimit) = gate.admits{gas: GATE_GAS}(msg.sender, data);
        if (messageLimit == 0) revert NotAdmitted(msg.sender);
        uint256 amount = stake * stakePrice;
        if (amount > maxAmount) revert DepositAboveMaximum(amount, maxAmount);
        index = _memberCount;
        _gatedTerms[index] = GatedTerms({stake: stake, messageLimit: messageLimit});
        _deposit(index, idc, 0, stake, messageLimit, amount);
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
        uint256 amount = _release(index, record.tier);
        emit Withdrawn(index, to, amount);
        if (amount != 0) token.safeTransfer(to, amount);
    }

    /// @inheritdoc IRegistry
    function slash(uint256 index, address receiver, uint256[8] calldata proof) external nonReentrant {
        (uint256 idc, Record storage record) = _find(index);
        if (receiver == address(0)) revert ReceiverZero();
        uint40 exitAt = record.exitAt;
        if (_isGone(exitAt)) revert MemberGone(index);
        if (!verifier.verify(idc, receiverHash(receiver), proof)) revert ProofInvalid();

        record.exitAt = SLASHED;
        // The slot that the record above is in, unless another depositor was first.
        _records[idc].isCommitmentSlashed = true;
        if (exitAt == ACTIVE) _zeroSlot(index, idc);
        uint256 amount = _release(index, record.tier);
        uint256 reward = amount * rewardBps / BPS;
        uint256 rest = amount - reward;
        emit Slashed(index, idc, receiver, reward, rest);
        _pushOrCredit(receiver, reward);
        _pushOrCredit(treasury, rest);
    }

    /// @inheritdoc IRegistry
    function claim(address account, address to) external nonReentrant {
        if (to != account && msg.sender != account) revert NotClaimant(account, msg.sender);
        if (to == address(0)) revert ReceiverZero();
        uint256 amount = claimable(account);
        if (amount == 0) revert NothingToClaim(account);
        _credits[account] = 0;
        if (account == treasury) _feesClaimed = _feesPaid();
        emit Claimed(account, to, amount);
        token.safeTransfer(to, amount);
    }

    /// @notice A payment of a slash. A call of its own, so that all that it did is undone if it fails, whichever way the
    /// token says so.
    function push(address to, uint256 amount) external {
        if (msg.sender != address(this)) revert NotClaimant(address(this), msg.sender);
        token.safeTransfer(to, amount);
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
        (m.stake, m.messageLimit) = _terms(index, record.tier);
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
    function indexOf(uint256 idc, address depositor) external view returns (bool used, uint256 index) {
        if (depositor == address(0)) return (false, 0);
        Record storage first = _records[idc];
        if (first.depositor == depositor) return (true, first.index);
        uint256 place = _laterIndexOf[idc][depositor];
        return place == 0 ? (false, 0) : (true, place - 1);
    }

    /// @inheritdoc IRegistry
    function slotCount(uint256 idc) public view returns (uint256) {
        return _records[idc].depositor == address(0) ? 0 : 1 + _laterIndices[idc].length;
    }

    /// @inheritdoc IRegistry
    function slotAt(uint256 idc, uint256 number) external view returns (uint256 index) {
        if (number >= slotCount(idc)) revert UnknownSlot(idc, number);
        return number == 0 ? _records[idc].index : _laterIndices[idc][number - 1];
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
    function claimable(address account) public view returns (uint256 amount) {
        amount = _credits[account];
        if (account == treasury) amount += _feesPaid() - _feesClaimed;
    }

    /// @inheritdoc IRegistry
    function receiverHash(address receiver) public view returns (uint256) {
        bytes memory preimage = abi.encodePacked("quotapass.receiver.v1", uint8(0), block.chainid, this, receiver);
        // 248 bits, always below the field's order
        return uint256(keccak256(preimage)) >> 8;
    }

    function _depositInTier(uint256 idc, uint8 tierNumber, StoredTier memory t) private returns (uint256 index) {
        index = _memberCount;
        _deposit(index, idc, tierNumber, t.stake, t.messageLimit, t.amount);
    }

    /// @dev Appends a member at the index that is next, and takes what it costs.
    function _deposit(uint256 index, uint256 idc, uint8 tierNumber, uint32 stake, uint16 messageLimit, uint256 amount)
        private
    {
        if (idc == 0 || idc >= PoseidonT5.ORDER) revert CommitmentOutOfRange(idc);
        if (index == MemberTree.CAPACITY) revert TreeFull();

        // Casts: an index is below 2^21, days fit 16 bits until the year 2149, and an amount has at most 160 bits, so that
        // their sum has at most 181.
        uint16 since = uint16(block.timestamp / 1 days);
        _record(
            idc,
            Record({
                depositor: msg.sender,
                since: since,
                tier: tierNumber,
                index: uint24(index),
                isCommitmentSlashed: false,
                exitAt: ACTIVE
            })
        );
        uint256 word = _word(stake, messageLimit, since);
        _idcAt[index] = idc;
        _memberCount = uint32(index + 1);
        _totalOwed += uint224(amount);
        if (index % 2 == 0) {
            _tree.storeDue(hasher, index);
        } else {
            (uint256 idcA, uint256 wordA) = _leaf(index - 1);
            _tree.storeBottom(hasher, index, idcA, wordA, idc, word);
        }
        emit MemberAdded(index, idc, msg.sender, word, tierNumber);
        _take(amount + fee);
    }

    /// @dev Keeps the record of a new member where it belongs: with its commitment if it is the first that has it.
    function _record(uint256 idc, Record memory record) private {
        Record memory first = _records[idc];
        if (first.depositor == address(0)) {
            _records[idc] = record;
            return;
        }
        // What is known of its secret is known for ever.
        if (first.isCommitmentSlashed) revert CommitmentSlashed(idc);
        mapping(address depositor => uint256) storage laterIndexOf = _laterIndexOf[idc];
        if (first.depositor == record.depositor || laterIndexOf[record.depositor] != 0) {
            revert CommitmentUsed(idc, record.depositor);
        }
        laterIndexOf[record.depositor] = uint256(record.index) + 1;
        _laterIndices[idc].push(record.index);
        _laterRecords[record.index] = record;
    }

    /// @dev Ends the registry's debt of a member's deposit, and says how much it was.
    function _release(uint256 index, uint8 tierNumber) private returns (uint256 amount) {
        amount = _isGated() ? _gatedTerms[index].stake * stakePrice : _tiers[tierNumber].amount;
        // At most 160 bits
        _totalOwed -= uint224(amount);
    }

    /// @dev Pays if the token lets it, within a bound of gas; otherwise the account can claim it.
    function _pushOrCredit(address to, uint256 amount) private {
        if (amount == 0) return;
        // A call gets at most 63/64 of what is left. Without this, gas would be estimated for a payment that fails.
        if (gasleft() < PUSH_GAS * 64 / 63 + 30_000) revert GasTooLow(PUSH_GAS * 64 / 63 + 30_000);
        try this.push{gas: PUSH_GAS}(to, amount) {}
        catch {
            _credits[to] += amount;
            emit Credited(to, amount);
        }
    }

    /// @dev Takes exactly `amount` tokens from the caller.
    function _take(uint256 amount) private {
        if (amount == 0) return;
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
        if (record.index != index) record = _laterRecords[index];
    }

    /// @dev What the tree holds at `index`.
    function _leaf(uint256 index) private view returns (uint256, uint256) {
        uint256 idc = _idcAt[index];
        if (idc == 0) return (0, 0);
        Record memory record = _records[idc];
        if (record.index != index) record = _laterRecords[index];
        if (record.exitAt != ACTIVE) return (0, 0);
        (uint32 stake, uint16 messageLimit) = _terms(index, record.tier);
        return (idc, _word(stake, messageLimit, record.since));
    }

    function _terms(uint256 index, uint8 tierNumber) private view returns (uint32 stake, uint16 messageLimit) {
        if (_isGated()) return (_gatedTerms[index].stake, _gatedTerms[index].messageLimit);
        return (_tiers[tierNumber].stake, _tiers[tierNumber].messageLimit);
    }

    function _isGated() private view returns (bool) {
        return address(gate) != address(0);
    }

    /// @dev What all members have paid in fees.
    function _feesPaid() private view returns (uint256) {
        return fee * _memberCount;
    }

    /// @dev What the tree holds in the bottom node of `index`.
    function _bottomOf(uint256 index) private view returns (uint256 idcA, uint256 wordA, uint256 idcB, uint256 wordB) {
        (idcA, wordA) = _leaf(index & ~uint256(1));
        (idcB, wordB) = _leaf(index | 1);
    }

    function _tier(uint256 number) private view returns (StoredTier memory t) {
        if (_isGated()) revert HasGate();
        t = _tiers[number];
        // No tier costs nothing, so the number of tiers need not be read.
        if (t.amount == 0) revert UnknownTier(number);
    }

    function _word(uint32 stake, uint16 messageLimit, uint16 since) private pure returns (uint256) {
        return stake | uint256(messageLimit) << 40 | uint256(since) << 64;
    }

    function _isGone(uint40 exitAt) private pure returns (bool) {
        return exitAt == WITHDRAWN || exitAt == SLASHED;
    }
}
