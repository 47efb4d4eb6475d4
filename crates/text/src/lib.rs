//! Text that people give to a program: in flags, settings, files, and as arguments of apps.
//!
//! # An address with a mistyped digit
//!
//! ```
//! use quotapass_text::EvmAddress;
//!
//! let address: EvmAddress = "0x5FbDB2315678afecb367f032d93F642f64180aa3".parse()?;
//! // The last digit is mistyped, and the case of the letters shows it.
//! assert!("0x5FbDB2315678afecb367f032d93F642f64180aa4".parse::<EvmAddress>().is_err());
//! // Text in one case has no checksum.
//! assert_eq!("0x5fbdb2315678afecb367f032d93f642f64180aa3".parse(), Ok(address));
//! assert_eq!(address.to_string(), "0x5FbDB2315678afecb367f032d93F642f64180aa3");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Types and functions
//!
//! - [`EvmAddress`]: the address of an account or a contract.
//! - [`EndpointUrl`]: a URL that may contain a password or a key, and shows neither.
//! - [`read_secret`]: a password or a passphrase from a file of any editor. [`normalized`] and [`spellings`] are the
//!   texts that keys are derived from.

mod address;
mod endpoint;
mod secret;

pub use address::{AddressError, EvmAddress};
pub use endpoint::EndpointUrl;
pub use secret::{NotText, decode, normalized, read_secret, spellings};
