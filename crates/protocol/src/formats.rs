//! The JSON forms of values in entries of logs and in requests about moderation: bytes and field elements as lower-case
//! hexadecimal digits without `0x`, longer bytes as base64url without padding, numbers of 64 bits as decimal text, times as
//! RFC 3339 in whole seconds with `Z`. Each value has one form, and all others are refused.
//!
//! The modules are for serde's attribute `with`.

use quotapass_circuits::{
    field::FieldError,
    share::{Nullifier, ShareValue},
    signal::{Scope, SignalHash},
};
use serde::{Deserialize, Deserializer, Serializer, de::Error as _};

/// Moments.
pub mod moment {
    use std::time::{Duration, UNIX_EPOCH};

    use quotapass_circuits::time::UnixSeconds;

    use super::*;

    /// The last second of the year 9999. RFC 3339 cannot express later times.
    pub(crate) const LAST: UnixSeconds = UnixSeconds(253_402_300_799);

    /// Writes a time in JSON.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &UnixSeconds, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&write(*value))
    }

    /// Reads a time in JSON.
    ///
    /// # Errors
    /// Those of the deserializer, and one for every other form of a time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<UnixSeconds, D::Error> {
        let text = String::deserialize(deserializer)?;
        read(&text).ok_or_else(|| D::Error::custom("expected a time like 2026-11-27T20:00:00Z"))
    }

    /// Returns the text of a time. Times after the year 9999 are written as its last second.
    pub fn write(value: UnixSeconds) -> String {
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(value.min(LAST).0)).to_string()
    }

    /// Returns the time of a text; none for every other form.
    pub fn read(text: &str) -> Option<UnixSeconds> {
        let time = humantime::parse_rfc3339(text).ok().and_then(|time| UnixSeconds::try_from(time).ok())?;
        (write(time) == text).then_some(time)
    }
}

/// Bytes in base64url without padding: any number in a vector, a fixed number in an array.
pub mod base64url {
    use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;

    /// Writes bytes in JSON.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &(impl AsRef<[u8]> + ?Sized), serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_URL_SAFE_NO_PAD.encode(value))
    }

    /// Reads bytes in JSON.
    ///
    /// # Errors
    /// Those of the deserializer, and one for text that is not base64url without padding, or of another length.
    pub fn deserialize<'de, T: TryFrom<Vec<u8>>, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64_URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|error| D::Error::custom(format_args!("expected base64url without padding: {error}")))?;
        let length = bytes.len();
        bytes.try_into().map_err(|_| D::Error::custom(format_args!("unexpected length of {length} bytes")))
    }
}

/// Bytes in base64url that may be absent. Use it with `default` and `skip_serializing_if`.
pub mod some_base64url {
    use serde::Serialize;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Wrapped(#[serde(with = "super::base64url")] Vec<u8>);

    /// Writes bytes in JSON, or null.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        value.clone().map(Wrapped).serialize(serializer)
    }

    /// Reads bytes in JSON, or null.
    ///
    /// # Errors
    /// As [`base64url::deserialize`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<Wrapped>::deserialize(deserializer)?.map(|Wrapped(bytes)| bytes))
    }
}

/// 32 bytes as 64 digits.
pub mod digits {
    use super::*;

    /// Writes 32 bytes in JSON.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: Bytes32, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(value.to_be_bytes()))
    }

    /// Reads 32 bytes in JSON.
    ///
    /// # Errors
    /// Those of the deserializer, and one for text that is not 64 lower-case digits, or not of a canonical value.
    pub fn deserialize<'de, T: Bytes32, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = exact_digits(&text);
        let bytes = bytes.ok_or_else(|| D::Error::custom("expected 64 lower-case hexadecimal digits"))?;
        T::from_be_bytes(&bytes).map_err(D::Error::custom)
    }
}

/// Values of 32 bytes: field elements, big-endian, and hashes.
pub trait Bytes32: Sized {
    /// Returns the bytes.
    fn to_be_bytes(&self) -> [u8; 32];

    /// Reads the bytes.
    ///
    /// # Errors
    /// [`FieldError`] for a number that the type does not have.
    fn from_be_bytes(bytes: &[u8; 32]) -> Result<Self, FieldError>;
}

impl Bytes32 for [u8; 32] {
    fn to_be_bytes(&self) -> [u8; 32] {
        *self
    }

    fn from_be_bytes(bytes: &[u8; 32]) -> Result<Self, FieldError> {
        Ok(*bytes)
    }
}

macro_rules! field_elements {
    ($($type:ident),+) => {
        $(impl Bytes32 for $type {
            fn to_be_bytes(&self) -> [u8; 32] {
                $type::to_be_bytes(*self)
            }

            fn from_be_bytes(bytes: &[u8; 32]) -> Result<Self, FieldError> {
                $type::from_be_bytes(bytes)
            }
        })+
    };
}
field_elements!(Nullifier, Scope, ShareValue, SignalHash);

/// Numbers of 64 bits as decimal text, because a number in JavaScript does not hold them.
pub mod decimal {
    use super::*;

    /// Writes a number in JSON.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads a number in JSON.
    ///
    /// # Errors
    /// Those of the deserializer, and one for signs, leading zeros, and numbers above 64 bits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().ok().filter(|number: &u64| number.to_string() == text);
        number.ok_or_else(|| D::Error::custom("expected a whole number below 2^64 as decimal text"))
    }
}

/// Returns the bytes of exactly this many lower-case hexadecimal digits.
pub(crate) fn exact_digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let has_upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    hex::decode_to_slice(text, &mut bytes).ok().filter(|()| !has_upper).map(|()| bytes)
}

#[cfg(test)]
mod tests {
    use quotapass_circuits::time::UnixSeconds;

    use super::*;

    #[test]
    fn each_time_has_one_form() {
        let at = UnixSeconds(1_795_176_000);
        assert_eq!(moment::write(at), "2026-11-20T12:00:00Z");
        assert_eq!(moment::read("2026-11-20T12:00:00Z"), Some(at));
        for wrong in [
            "",
            "soon",
            "2026-11-20T12:00:00.5Z",
            "2026-11-20 12:00:00",
            "1969-12-31T23:59:59Z",
            "2026-11-20T12:00:00+00:00",
        ] {
            assert_eq!(moment::read(wrong), None, "{wrong}");
        }
        assert_eq!(moment::read(&moment::write(UnixSeconds::MAX)), Some(moment::LAST));
    }
}
