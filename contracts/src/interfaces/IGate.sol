// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Who may join a registry, and on what terms
/// @notice A registry may be deployed with a gate. It then admits whom the gate admits, and nobody else.
interface IGate {
    /// @notice Admits an account or reverts with the gate's own reason. The registry calls it once for each membership,
    /// in the depositor's transaction, before it changes anything or takes any tokens.
    /// @dev Called with at most `IRegistry.GATE_GAS` gas. It may change the gate's own state, for example to let an
    /// account in once only, and is not told of exits and slashes. Check that the caller is the registry before you
    /// change anything. Calls back into the registry's functions that change something revert.
    /// @param account The caller of `depositGated`, who becomes the depositor
    /// @param data What the caller passed along: a Merkle path, a signature, a voucher
    /// @return stake The stake units that the member can prove. The registry locks this many times its stake price, so
    /// that 0 admits a member without a deposit
    /// @return messageLimit Messages an epoch and scope; 0 refuses the account
    function admits(address account, bytes calldata data) external returns (uint32 stake, uint16 messageLimit);
}
