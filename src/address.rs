//! Addresses in flags and files, with their checksum (EIP-55).

use alloy_primitives::Address;
use quotapass_text::{AddressError, EvmAddress};
use serde::{Deserialize, Deserializer, de::Error};

/// Parses an address, for clap.
pub(crate) fn parse(text: &str) -> Result<Address, AddressError> {
    let EvmAddress(bytes) = text.parse::<EvmAddress>()?;
    Ok(bytes.into())
}

/// Reads an address, for `#[serde(deserialize_with)]`.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(|error| D::Error::custom(format!("`{text}` is not a valid address: {error}")))
}

/// Reads an address that may be missing, for `#[serde(default, deserialize_with)]`.
pub(crate) fn read_some<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Address>, D::Error> {
    read(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_checksum_is_that_of_alloy(bytes: [u8; 20], place in 2..42_usize) {
            let address = Address::from(bytes);
            let text = address.to_checksum(None);
            prop_assert_eq!(EvmAddress(bytes).to_string(), text.clone());
            prop_assert_eq!(parse(&text), Ok(address));
            // The case of one letter.
            let mut wrong = text.clone().into_bytes();
            wrong[place] ^= if wrong[place].is_ascii_alphabetic() { 0x20 } else { 0 };
            let wrong = String::from_utf8(wrong).unwrap();
            let has_case = wrong[2..] != wrong[2..].to_lowercase() && wrong[2..] != wrong[2..].to_uppercase();
            prop_assert_eq!(parse(&wrong).is_ok(), wrong == text || !has_case);
        }
    }
}
