//! The search for the first block to read.

use alloy_primitives::BlockNumber;
use quotapass_circuits::membership::{Day, MemberIndex};

use super::FollowError;
use crate::{Head, RegistryError, RegistryReader, node::NodeError};

/// Finds a block that is not later than the first event of a registry. This event is the deposit of member 0, and the
/// contract records its day. So the endpoint needs neither old states nor old blocks, and a wrong answer shows: the
/// events then do not begin with member 0.
pub(super) fn find_first_block(registry: &dyn RegistryReader, head: &Head) -> Result<BlockNumber, FollowError> {
    if head.member_count == 0 {
        return Ok(head.block.number);
    }
    let day = registry.record(MemberIndex(0))?.since;
    // The times of blocks grow with their numbers.
    let (mut low, mut high) = (0, head.block.number);
    while low < high {
        let middle = low + (high - low) / 2;
        let is_earlier = match registry.block(middle) {
            Ok(Some(block)) => Day::at(block.timestamp) < day,
            // Nodes answer null for old blocks that they do not keep, or an error of any code and text.
            Ok(None) | Err(RegistryError::Node(NodeError::Rpc { .. } | NodeError::BadAnswer(_))) => true,
            Err(error) => return Err(error.into()),
        };
        if is_earlier {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}
