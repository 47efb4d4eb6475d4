//! Addresses of a chain.

use core::{fmt, str::FromStr};

use sha3::{Digest, Keccak256};

/// The address of an account or a contract on an EVM chain.
///
/// Its text is `0x` and 40 hexadecimal digits. The upper and lower case of the letters is a checksum (EIP-55), which
/// `Display` writes. `FromStr` checks it. It also takes text in one case, which has no checksum, and text without `0x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EvmAddress(pub [u8; 20]);

/// Error of an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// The text has another form.
    #[error("expected 0x and 40 hexadecimal digits")]
    Form,
    /// The case of the letters does not match the digits.
    #[error(
        "its checksum is wrong (EIP-55, by upper and lower case), so a digit may be mistyped; if all digits are right, \
         write {0}"
    )]
    Checksum(EvmAddress),
}

impl EvmAddress {
    /// Reads an address that must begin with `0x`.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn from_prefixed(text: &str) -> Result<Self, AddressError> {
        if text.starts_with("0x") { text.parse() } else { Err(AddressError::Form) }
    }

    /// Returns the digits. A letter is in upper case if the hash of the lower-case digits has a digit of at least 8 in
    /// its place.
    fn digits(&self) -> String {
        let mut digits = hex::encode(self.0);
        let hash = Keccak256::digest(&digits);
        for place in 0..digits.len() {
            let is_high = hash[place / 2] & if place % 2 == 0 { 0x80 } else { 0x08 } != 0;
            if is_high && let Some(digit) = digits.get_mut(place..=place) {
                digit.make_ascii_uppercase();
            }
        }
        digits
    }
}

impl FromStr for EvmAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| AddressError::Form)?;
        let address = Self(bytes);
        let (mut lower, mut upper) = (false, false);
        for digit in digits.bytes() {
            lower |= digit.is_ascii_lowercase();
            upper |= digit.is_ascii_uppercase();
        }
        if lower && upper && address.digits() != digits { Err(AddressError::Checksum(address)) } else { Ok(address) }
    }
}

impl fmt::Display for EvmAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", self.digits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of EIP-55: all letters in one case, and normal addresses.
    const EXAMPLES: [&str; 8] = [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ];

    #[test]
    fn the_examples_of_the_standard_are_read_and_written() {
        for text in EXAMPLES {
            let address: EvmAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(EvmAddress::from_prefixed(text), Ok(address));
            let digits = &text[2..];
            for other in [digits.to_owned(), digits.to_lowercase(), digits.to_uppercase()] {
                assert_eq!(other.parse(), Ok(address), "{other}");
                assert_eq!(format!("0x{other}").parse(), Ok(address), "{other}");
                assert_eq!(EvmAddress::from_prefixed(&other), Err(AddressError::Form));
            }
        }
    }

    #[test]
    fn one_letter_in_the_wrong_case_is_refused_with_the_right_form() {
        for text in &EXAMPLES[4..] {
            let right: EvmAddress = text.parse().unwrap();
            for (place, letter) in text.char_indices().skip(2).filter(|(_, letter)| letter.is_ascii_alphabetic()) {
                let flipped =
                    if letter.is_ascii_lowercase() { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() };
                let mut wrong = (*text).to_owned();
                wrong.replace_range(place..=place, &flipped.to_string());
                let error = wrong.parse::<EvmAddress>().unwrap_err();
                assert_eq!(error, AddressError::Checksum(right), "{wrong}");
                assert!(error.to_string().contains(text), "{error}");
            }
        }
    }

    #[test]
    fn what_has_another_form_is_no_address() {
        let long = "1".repeat(41);
        let other = "\u{e9}".repeat(20);
        for text in ["", "0x", "0x12", "vitalik.eth", &long, &other, "0X5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"] {
            assert_eq!(text.parse::<EvmAddress>(), Err(AddressError::Form), "{text}");
        }
    }
}
