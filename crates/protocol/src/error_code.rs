//! The names of errors that bindings give to apps.
//!
//! `cargo xtask generate` compiles this file too, and writes its list to the npm package. Therefore the file uses no
//! other module.

/// The stable name of an error of the npm package. Some errors occur only in its JavaScript.
///
/// The library for phones has no such names: UniFFI exports its error enum as types of each language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(&'static str);

impl ErrorCode {
    /// Returns the name.
    pub const fn name(self) -> &'static str {
        self.0
    }
}

/// Declares the constants of [`ErrorCode`], each with its description and name.
///
/// They are constants and not variants of an enum, so that a module for browsers contains only the names that it uses.
macro_rules! error_codes {
    ($($(#[doc = $line:literal])+ $code:ident = $name:literal;)+) => {
        impl ErrorCode {
            $($(#[doc = $line])+ pub const $code: Self = Self($name);)+

            /// All codes, each with its description.
            pub const ALL: &'static [(Self, &'static str)] = &[$((Self::$code, concat!($($line),+).trim_ascii())),+];
        }
    };
}

error_codes! {
    /// An argument is not valid; the message says which one and why.
    INVALID_ARGUMENT = "invalid_argument";
    /// The words are not a mnemonic.
    INVALID_MNEMONIC = "invalid_mnemonic";
    /// Bytes do not decode; the message says where.
    MALFORMED = "malformed";
    /// A key cannot be read, or belongs to another circuit.
    INVALID_KEY = "invalid_key";
    /// A key is valid, but not trusted.
    UNTRUSTED_KEY = "untrusted_key";
    /// A key could not be fetched.
    FETCH_FAILED = "fetch_failed";
    /// The fetched file does not have the expected hash.
    HASH_MISMATCH = "hash_mismatch";
    /// The prover was loaded without the key that this call needs.
    NO_KEY = "no_key";
    /// The membership was never synced.
    NEVER_SYNCED = "never_synced";
    /// The deposit is not in the tree yet.
    NOT_YET = "not_yet";
    /// The member has left or was slashed.
    REMOVED = "removed";
    /// Another identity has the index.
    OTHER_MEMBER = "other_member";
    /// The source's tree differs from the chain's.
    NOT_THE_CHAINS = "not_the_chains";
    /// The source did not answer.
    SOURCE_FAILED = "source_failed";
    /// The app does not pin the room's policy.
    POLICY_NOT_PINNED = "policy_not_pinned";
    /// Two relays state different policies of a room.
    POLICY_DIFFERS = "policy_differs";
    /// Stake or age do not meet the room's requirement.
    INELIGIBLE = "ineligible";
    /// All messages of the epoch are sent; `nextBegins` is the start of the next epoch.
    QUOTA_USED = "quota_used";
    /// The limit leaves this device no messages.
    NOTHING_FOR_DEVICE = "nothing_for_device";
    /// The clock went back.
    EPOCH_LEFT = "epoch_left";
    /// The ledger may be older than the last use; `nextBegins` is the time when posting resumes.
    MAY_BE_STALE = "may_be_stale";
    /// This account has no ledger.
    LEDGER_MISSING = "ledger_missing";
    /// This account already has a ledger.
    LEDGER_EXISTS = "ledger_exists";
    /// The ledger's record cannot be read.
    LEDGER_DAMAGED = "ledger_damaged";
    /// The ledger belongs to another account.
    LEDGER_OF_ANOTHER = "ledger_of_another";
    /// The browser cannot store, or failed to.
    STORAGE_FAILED = "storage_failed";
    /// The shares do not give a secret.
    CANNOT_RECOVER = "cannot_recover";
    /// A list of the room contains a post of this account, so that it cannot post there; `strikes` says which, why and
    /// until when.
    STRUCK = "struck";
    /// The room has lists, and they were not read; sync them, and prepare with them.
    LISTS_MISSING = "lists_missing";
    /// The room enforces a list of a log that the settings do not name.
    LOG_NOT_NAMED = "log_not_named";
    /// What a server shows of a log is not used; the message says why. If the log has two histories, `checkpoints` proves
    /// it.
    LOG_REFUSED = "log_refused";
    /// What was stored of a log cannot be read.
    LOG_MEMORY_DAMAGED = "log_memory_damaged";
    /// The account did not write the post.
    NOT_THE_AUTHOR = "not_the_author";
    /// The room does not take this report; the message says why.
    REPORT_REFUSED = "report_refused";
    /// The proof failed.
    PROVE_FAILED = "prove_failed";
    /// The handle was closed.
    CLOSED = "closed";
    /// The handle was made with another client, or by another copy of the package.
    OTHER_CLIENT = "other_client";
    /// The call was cancelled.
    ABORTED = "aborted";
    /// The module cannot be started.
    START_FAILED = "start_failed";
    /// The WebAssembly module ended unexpectedly. The next call starts a new one, and the client keeps working.
    TRAPPED = "trapped";
}
