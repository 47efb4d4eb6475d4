//! Identities: seeds, the encrypted files that store them, and the secrets derived from them.
//!
//! One [`Seed`] works at every registry without linking them: the identity secret of each account at each registry is
//! derived from it (protocol, section 3). The seed is a BIP-39 mnemonic of 24 words, which is also its backup, or the
//! deterministic signature of a wallet, which needs no backup. An [`IdentityStore`] stores seeds in a folder, each in a
//! file of the age format (<https://age-encryption.org/v1>) encrypted with a passphrase, so `age --decrypt` opens it as
//! well.

#[cfg(feature = "desktop")]
mod file;
mod seed;
#[cfg(feature = "desktop")]
mod store;
#[cfg(feature = "desktop")]
mod wallet;

#[cfg(feature = "desktop")]
pub use file::{Identity, IdentityFileError, Passphrase};
pub use seed::{Seed, SeedError, SeedKind};
#[cfg(feature = "desktop")]
pub use store::{IdentityStore, IdentityStoreError};
#[cfg(feature = "desktop")]
pub use wallet::WalletSeedMessage;
