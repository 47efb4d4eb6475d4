//! The search for a member's slash in the registry's events.

use alloy_primitives::{Address, BlockNumber, TxHash, U256};
use quotapass_circuits::identity::IdentityCommitment;
use quotapass_registry::{RegistryError, RegistryEvent, RegistryReader};

/// The minimum number of blocks that are searched.
const DEPTH: u64 = 4_096;
/// The maximum number of blocks in one request.
const WIDTH: u64 = 1_024;

/// A slash on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FoundSlash {
    pub(super) transaction: TxHash,
    pub(super) block: BlockNumber,
    pub(super) receiver: Address,
    pub(super) reward: U256,
}

/// Searches for a slash, latest blocks first: back to `first` if given, and always through the latest 4,096 blocks.
/// None if these blocks do not have it.
pub(super) fn find_slash(
    registry: &dyn RegistryReader,
    commitment: IdentityCommitment,
    head: BlockNumber,
    first: Option<BlockNumber>,
) -> Result<Option<FoundSlash>, RegistryError> {
    let oldest = head.saturating_sub(DEPTH);
    let oldest = first.map_or(oldest, |first| first.min(oldest));
    let (mut end, mut width) = (head, WIDTH);
    loop {
        let start = end.saturating_sub(width - 1).max(oldest);
        let events = match registry.events(start..=end) {
            Err(RegistryError::Node(error)) if width > 1 && error.may_be_too_wide() => {
                width /= 2;
                continue;
            }
            events => events?,
        };
        let slash = events.iter().rev().find_map(|logged| match logged.event {
            RegistryEvent::Slashed { commitment: slashed, receiver, reward, .. } if slashed == commitment => {
                Some(FoundSlash { transaction: logged.transaction, block: logged.block, receiver, reward })
            }
            _ => None,
        });
        if slash.is_some() || start == oldest {
            return Ok(slash);
        }
        end = start - 1;
    }
}
