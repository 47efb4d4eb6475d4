//! Faults under load, with the real program: `quotapass relay` under `quotapass bench relay`, which checks every
//! verdict against the sent posts. No accepted post may be lost, and no post may be accepted twice.
//!
//! These tests are short; contrib/soak.sh runs for hours. The passes are made once and kept in the target folder.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]
#![cfg(unix)]

mod disk;
mod kills;
mod neighbours;
mod redis;
mod soak;
mod stage;
mod verdicts;
