//! Values as text.

use core::str::FromStr;

use quotapass_circuits::{field::FieldError, formats::wire::decode_text};

use crate::QuotapassError;

/// Reads a field element: 64 hexadecimal digits, with or without `0x` before them.
pub(crate) fn field<T: FromStr<Err = FieldError>>(argument: &str, text: &str) -> Result<T, QuotapassError> {
    text.parse().map_err(|error| QuotapassError::bad_input(argument, error))
}

/// Decodes the text form of a pass, which is base64url without padding. Only the verifier checks whether the bytes are
/// a pass.
///
/// # Errors
/// `BadInput` if the text is not base64url.
#[uniffi::export]
pub fn pass_from_text(text: String) -> Result<Vec<u8>, QuotapassError> {
    decode_text(&text).map_err(|error| QuotapassError::bad_input("text", error))
}
