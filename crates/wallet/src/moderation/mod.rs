//! Moderation: lists of struck posts, what their authors learn, deletions, appeals, and reports.
//!
//! A scope with lists takes a post only with *records*: proofs that its author wrote none of the listed posts. The wallet
//! reads the lists from logs that it follows itself, tests them against its own secret, and proves.
//!
//! 1. [`LogSettings`] name the logs of a scope: origin, root key, servers, witnesses. They come from the wallet's settings
//!    or from the address of the room, and never from the relay that states the policy.
//! 2. [`ScopeLists`] reads the newest version of each list. What it remembers of a log is durable in a [`LogMemory`] before
//!    a list is used.
//! 3. [`ScopeLists::test`] refuses with [`Struck`] if a listed post is the member's own, before a message is composed.
//! 4. [`Poster::set_lists`](crate::Poster::set_lists) prepares the records. They are kept from post to post, and a new
//!    version of a list costs only what changed. [`needs_large_key`] says whether the key of `record128` is needed.
//! 5. [`Poster::prove`](crate::Poster::prove) then makes a pass with records.
//!
//! If a relay answers `list_mismatch`, repeat from step 2, and reserve the id with
//! [`reserve_message`](crate::ledger::Book::reserve_message): the same message keeps its id.
//!
//! [`prove_author`] proves a deletion or an appeal, and [`make_report`] makes a report.
//!
//! # Sources of logs
//!
//! A reader fetches through [`Source`](quotapass_log::Source): `LogServers` over HTTP, or
//! [`Shelf`](quotapass_log::Shelf) where a program fetches for itself, such as a page in a browser.

mod author;
#[cfg(feature = "http")]
mod http;
mod memory;
mod reader;
mod records;
mod report;
mod settings;
mod struck;
#[cfg(test)]
mod tests;
mod verify;

pub use author::{AuthorAction, AuthorError, VerifyAuthorError, prove_author, verify_author};
#[cfg(feature = "http")]
pub use http::LogServers;
#[cfg(feature = "files")]
pub use memory::MemoryFolder;
pub use memory::{LogMemory, LogMemoryError};
pub use reader::{CurrentList, ListError, ListReader, ScopeLists};
pub(crate) use records::PreparedRecords;
pub use records::{RecordProgress, needs_large_key};
pub use report::{MakeReportError, ReportBytes, ReportProvers, make_report, report_policy};
pub use settings::{LogSettings, LogSettingsError, StatedLog, check_named, enforced};
pub use struck::{OwnStrike, StrikeDetails, Struck};
pub(crate) use verify::check_versions;
pub use verify::{RecordVerifiers, VerifiedLists};
