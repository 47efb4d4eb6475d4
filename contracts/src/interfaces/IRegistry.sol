// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IGate} from "./IGate.sol";
import {ISlashVerifier} from "./ISlashVerifier.sol";

/// @title Registry of members with a deposit
/// @notice A depositor locks tokens for an identity commitment and so appends a member to a Merkle tree, against whose
/// root the member proves its quota anonymously. Whoever learns a member's identity secret may slash the deposit. No
/// owner, no upgrade, no pause: what the constructor sets stays.
///
/// A commitment is public before its deposit is in a block, so anybody can deposit for it as well. This does no harm:
/// each depositor has a membership of its own, with its own index, terms and exit, and one secret has one set of
/// nullifiers however many memberships it has. A wallet uses the membership whose depositor it knows (`indexOf`). Each
/// membership of a commitment is slashed by a call of its own, with the same proof; `slotCount` and `slotAt` list them.
///
/// With a gate, members join by `depositGated` and not by `deposit`. The gate decides stake and message limit, and the
/// caller pays: the deposit is `stake` times `stakePrice`, and comes back or is slashed as any deposit. A member with
/// stake 0, or of a registry with stake price 0, has no deposit: exit and slash take it out of the tree all the same, and
/// move no tokens.
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
        /// 1 to 255 tiers; none with a gate
        Tier[] tiers;
        /// Paid to the treasury with every deposit and never paid back, in the token's smallest unit. It is what taking
        /// up one of the tree's slots costs for good; zero lets an attacker fill the tree for gas alone
        uint256 fee;
        /// Seconds between `requestExit` and `withdraw`, above zero
        uint32 exitDelay;
        /// Part of a slashed deposit that goes to the slasher, in 1/10,000
        uint16 rewardBps;
        /// Gets the fees, and the rest of a slashed deposit; the zero address burns them
        address treasury;
        ISlashVerifier verifier;
        /// Who may join, or the zero address
        IGate gate;
        /// With a gate: tokens locked for one unit of stake, in the token's smallest unit; otherwise zero
        uint256 stakePrice;
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
        uint32 stake;
        uint16 messageLimit;
        /// Day it was added, in days since the Unix epoch
        uint16 since;
        /// Zero with a gate
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

    /// @param reward What the receiver got, or was credited
    /// @param rest What the treasury got, or was credited, or was burnt
    event Slashed(uint256 indexed index, uint256 indexed idc, address indexed receiver, uint256 reward, uint256 rest);

    /// @notice The token did not move a payment of a slash. The account can `claim` it.
    event Credited(address indexed account, uint256 amount);

    /// @notice Credits, and the treasury's fees, were paid.
    event Claimed(address indexed account, address indexed to, uint256 amount);

    error TierCountInvalid(uint256 count);
    error TierInvalid(uint256 tier);
    error AmountTooHigh(uint256 amount);
    error ExitDelayZero();
    error RewardTooHigh(uint256 rewardBps, uint256 maxRewardBps);
    error NoCode(address account);
    error StakePriceWithoutGate();
    error UnknownTier(uint256 tier);
    error CommitmentOutOfRange(uint256 idc);
    error CommitmentUsed(uint256 idc, address depositor);
    error CommitmentSlashed(uint256 idc);
    error TreeFull();
    error TokenTookFee(uint256 expected, uint256 received);
    error HasGate();
    error HasNoGate();
    error NotAdmitted(address account);
    error DepositAboveMaximum(uint256 amount, uint256 maxAmount);
    error UnknownMember(uint256 index);
    error UnknownSlot(uint256 idc, uint256 number);
    error NotDepositor(uint256 index, address caller);
    error ExitAlreadyRequested(uint256 index);
    error ExitNotRequested(uint256 index);
    error ExitPending(uint256 index, uint256 withdrawableAt);
    error MemberGone(uint256 index);
    error ReceiverZero();
    error ProofInvalid();
    error GasTooLow(uint256 needed);
    error NothingToClaim(address account);
    error NotClaimant(address account, address caller);
    error RangeInvalid(uint256 from, uint256 to);

    /// @notice Locks the tier's amount, taken from the caller together with the fee, and appends a member.
    /// @param idc The identity commitment, 0 < idc < r, never used here by the caller before and never slashed here
    /// @param tier A number below `tierCount`
    /// @return index The member's position in the tree
    function deposit(uint256 idc, uint8 tier) external returns (uint256 index);

    /// @notice `deposit` with an ERC-2612 permit for the tier's amount and the fee. A permit that somebody else has
    /// already sent does no harm: the allowance decides.
    function depositWithPermit(uint256 idc, uint8 tier, uint256 deadline, uint8 v, bytes32 r, bytes32 s)
        external
        returns (uint256 index);

    /// @notice Asks the gate to admit the caller, locks what its stake costs, taken from the caller together with the
    /// fee, and appends a member.
    /// @param idc As for `deposit`
    /// @param maxAmount The most that the caller locks: the gate, not the caller, decides the stake
    /// @param data What the gate wants to see; its refusals are its own errors
    function depositGated(uint256 idc, uint256 maxAmount, bytes calldata data) external returns (uint256 index);

    /// @notice Zeroes the caller's slot at once and starts the delay after which the deposit can be withdrawn.
    function requestExit(uint256 index) external;

    /// @notice Pays the deposit back after the delay. Depositor only. The fee stays.
    /// @param to Who gets it, not zero. If the token refuses to pay, the call fails and can be repeated
    function withdraw(uint256 index, address to) external;

    /// @notice Takes the deposit of a member whose identity secret the caller knows, active or waiting to withdraw. The
    /// commitment can then never be used again. It never fails for a token that does not pay: what cannot be paid is
    /// credited.
    /// @dev Each payment gets `PUSH_GAS`. With less left than that the call fails: otherwise a caller could starve a
    /// payment of gas, and wallets would estimate the gas of a slash whose payments fail.
    /// @param receiver Who gets the reward, not zero; the proof is bound to it
    /// @param proof Groth16 proof of the slash statement, see `ISlashVerifier.verify`
    function slash(uint256 index, address receiver, uint256[8] calldata proof) external;

    /// @notice Pays what was credited to an account, and to the treasury its fees too.
    /// @param to Who gets it: the account itself, or, if the account is the caller, whom it likes but zero
    function claim(address account, address to) external;

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

    /// @notice Where a depositor added a commitment, whether or not its member has left.
    /// @return used False if the depositor never did; `index` then means nothing
    function indexOf(uint256 idc, address depositor) external view returns (bool used, uint256 index);

    /// @notice How many members were ever added with a commitment, by all depositors.
    function slotCount(uint256 idc) external view returns (uint256);

    /// @notice The index of one of them.
    /// @param number Below `slotCount`, in the order of the deposits
    function slotAt(uint256 idc, uint256 number) external view returns (uint256 index);

    function tierCount() external view returns (uint256);

    function tier(uint256 number) external view returns (Tier memory);

    /// @notice Sum of all deposits neither withdrawn nor slashed, fees and credits not counted.
    function totalOwed() external view returns (uint256);

    /// @notice What `claim` would pay.
    function claimable(address account) external view returns (uint256);

    function token() external view returns (IERC20);

    function verifier() external view returns (ISlashVerifier);

    /// @notice Who may join; the zero address if anybody may.
    function gate() external view returns (IGate);

    function stakePrice() external view returns (uint256);

    function fee() external view returns (uint256);

    function exitDelay() external view returns (uint32);

    function rewardBps() external view returns (uint16);

    /// @notice Where fees and the rest of a slashed deposit go: the treasury, or the burn address.
    function treasury() external view returns (address);

    /// @notice The second public input of the slash statement:
    /// keccak256("quotapass.receiver.v1" || 0x00 || chain id (32 bytes) || this registry || receiver) >> 8.
    function receiverHash(address receiver) external view returns (uint256);
}
