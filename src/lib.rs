//! Spam protection for anonymous chat: a deposit once, then a proof with every message that its sender is within quota.

pub use quotapass_circuits as circuits;
