// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {ISlashVerifier} from "./ISlashVerifier.sol";

/// @title Registry of members with a deposit
/// @notice A depositor locks tokens for an identity commitment and so appends a member to a Merkle tree, against whose
/// root the member proves its quota anonymously. Whoever learns a member's identity secret may slash the deposit. No
/// owner, no upgrade, no pause: what the constructor sets stays.
interface IRegistry {
    /// @notice What one kind of membership costs and grants.
    struct Tier {
        /// Tokens locked, in the token's smallest unit
        uint256 amount;
        /// Stake units the member can prove
        uint32 stake;
        /// Messages per epoch and scope
        uint16 messageLimit;
    }

    /// @notice What the constructor takes.
    struct Config {
        IERC20 token;
        /// 1 to 255 tiers
        Tier[] tiers;
        /// Seconds between `requestExit` and `withdraw`, above zero
        uint32 exitDelay;
        /// Part of a slashed deposit that goes to the slasher, in 1/10,000
        uint16 rewardBps;
        /// Takes the rest of a slashed deposit; the zero address burns it
        address treasury;
        ISlashVerifier verifier;
    }

    /// @notice A slot of the tree; both zero if it is empty or its member has left.
    struct Leaf {
        uint256 idc;
        uint256 word;
    }

    enum Status {
        Active,
        Exiting,
        Withdrawn,
        Slashed
    }

    /// @notice What the registry knows of a member, gone or not.
    struct Member {
        /// The commitment it was added with, kept when its slot is zeroed
        uint256 idc;
        address depositor;
        /// Day it was added, in days since the Unix epoch
        uint16 since;
        uint8 tier;
        Status status;
        /// When `withdraw` opens, in Unix seconds, while the status is `Exiting`; otherwise zero
        uint40 withdrawableAt;
    }

    /// @notice A member was appended.
    /// @param word stake + 2^40 * messageLimit + 2^64 * since
    event MemberAdded(uint256 indexed index, uint256 indexed idc, address indexed depositor, uint256 word, uint8 tier);

    /// @notice A member's slot of the tree became (0, 0). Sent for every zeroed slot, once.
    event SlotZeroed(uint256 indexed index, uint256 indexed idc);

    event ExitRequested(uint256 indexed index, uint256 withdrawableAt);

    event Withdrawn(uint256 indexed index, address indexed to, uint256 amount);

    /// @param reward What the receiver got
    /// @param rest What the treasury got, or was burnt
    event Slashed(uint256 indexed index, uint256 indexed idc, address indexed receiver, uint256 reward, uint256 rest);

    error TierCountInvalid(uint256 count);
    error TierInvalid(uint256 tier);
    error ExitDelayZero();
    error RewardTooHigh(uint256 rewardBps, uint256 maxRewardBps);
    error NoCode(address account);
    error UnknownTier(uint256 tier);
    error CommitmentOutOfRange(uint256 idc);
    error CommitmentUsed(uint256 idc);
    error TreeFull();
    error TokenTookFee(uint256 expected, uint256 received);
    error UnknownMember(uint256 index);
    error NotDepositor(uint256 index, address caller);
    error ExitAlreadyRequested(uint256 index);
    error ExitNotRequested(uint256 index);
    error ExitPending(uint256 index, uint256 withdrawableAt);
    error MemberGone(uint256 index);
    error ReceiverZero();
    error ProofInvalid();
    error RangeInvalid(uint256 from, uint256 to);

    /// @notice Locks the tier's amount, taken from the caller, and appends a member.
    /// @param idc The identity commitment, 0 < idc < r, never used here before
    /// @param tier A number below `tierCount`
    /// @return index The member's position in the tree
    function deposit(uint256 idc, uint8 tier) external returns (uint256 index);

    /// @notice `deposit` with an ERC-2612 permit for the tier's amount. A permit that somebody else has already sent
    /// does no harm: the allowance decides.
    function depositWithPermit(uint256 idc, uint8 tier, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint256 index);

    /// @notice Zeroes the caller's slot at once and starts the delay after which the deposit can be withdrawn.
    function requestExit(uint256 index) external;

    /// @notice Pays the deposit back after the delay. Depositor only.
    /// @param to Who gets it, not zero
    function withdraw(uint256 index, address to) external;

    /// @notice Takes the deposit of a member whose identity secret the caller knows, active or waiting to withdraw.
    /// @param receiver Who gets the reward, not zero; the proof is bound to it
    /// @param proof Groth16 proof of the slash statement, see `ISlashVerifier.verify`
    function slash(uint256 index, address receiver, uint256[8] calldata proof) external;

    /// @notice The tree's root: 11 levels, 4 children a node, two members a bottom node.
    function root() external view returns (uint256);

    /// @notice Members ever added; the next index.
    function memberCount() external view returns (uint256);

    /// @notice A slot of the tree, zeros if it is empty or its member has left.
    function memberAt(uint256 index) external view returns (uint256 idc, uint256 word);

    /// @notice The slots from <= index < to, where from <= to <= memberCount.
    function membersIn(uint256 from, uint256 to) external view returns (Leaf[] memory leaves);

    /// @notice What is known of a member, gone or not.
    function member(uint256 index) external view returns (Member memory);

    /// @notice Where a commitment was added, whether or not its member has left.
    /// @return used False if it never was; `index` then means nothing
    function indexOf(uint256 idc) external view returns (bool used, uint256 index);

    function tierCount() external view returns (uint256);

    function tier(uint256 number) external view returns (Tier memory);

    /// @notice Sum of all deposits neither withdrawn nor slashed.
    function totalOwed() external view returns (uint256);

    function token() external view returns (IERC20);

    function verifier() external view returns (ISlashVerifier);

    function exitDelay() external view returns (uint32);

    function rewardBps() external view returns (uint16);

    /// @notice Where the rest of a slashed deposit goes: the treasury, or the burn address.
    function treasury() external view returns (address);

    /// @notice The second public input of the slash statement:
    /// keccak256("quotapass.receiver.v1" || 0x00 || chain id (32 bytes) || this registry || receiver) >> 8.
    function receiverHash(address receiver) external view returns (uint256);
}
