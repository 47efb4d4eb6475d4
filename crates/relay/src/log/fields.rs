//! Optional fields of a record.

use std::collections::BTreeMap;

/// The optional fields of a record, by tag.
///
/// In bytes, a field is its tag (u8), the length of its value (u16 BE) and the value. Tags ascend, and each occurs at
/// most once. A field with an unknown tag is kept unchanged, and otherwise ignored. Data that a reader must understand
/// cannot be a field: it needs a new version of the record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(BTreeMap<u8, Vec<u8>>);

/// A value that is too long for a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a field of a record has at most 65,535 bytes, this one has {0}; shorten it, or keep its hash")]
pub struct FieldTooLong(pub usize);

impl Fields {
    /// Creates an empty set of fields.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Returns the value of a field.
    pub fn get(&self, tag: u8) -> Option<&[u8]> {
        self.0.get(&tag).map(Vec::as_slice)
    }

    /// Sets a field, and replaces one with the same tag.
    ///
    /// # Errors
    /// [`FieldTooLong`]; nothing is changed then.
    pub fn set(&mut self, tag: u8, value: Vec<u8>) -> Result<(), FieldTooLong> {
        if value.len() > usize::from(u16::MAX) {
            return Err(FieldTooLong(value.len()));
        }
        self.0.insert(tag, value);
        Ok(())
    }

    /// Returns whether there are no fields.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the bytes.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        for (tag, value) in &self.0 {
            bytes.push(*tag);
            // `set` and `read` keep the length within 16 bits.
            bytes.extend((value.len() as u16).to_be_bytes());
            bytes.extend(value);
        }
    }

    /// Reads fields from all bytes; returns `None` if the bytes are invalid.
    pub(super) fn read(mut bytes: &[u8]) -> Option<Self> {
        let mut fields = BTreeMap::new();
        while let Some((tag, rest)) = bytes.split_first() {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let (value, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
            if fields.last_key_value().is_some_and(|(last, _)| last >= tag) {
                return None;
            }
            fields.insert(*tag, value.to_vec());
            bytes = rest;
        }
        Some(Self(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_at_most_65_535_bytes() {
        let mut fields = Fields::new();
        assert_eq!(fields.set(1, vec![0; 65_536]), Err(FieldTooLong(65_536)));
        assert!(fields.is_empty());
        fields.set(1, vec![7; 65_535]).unwrap();
        let mut bytes = Vec::new();
        fields.write(&mut bytes);
        assert_eq!(Fields::read(&bytes).as_ref(), Some(&fields));
        assert_eq!(fields.get(1).map(<[u8]>::len), Some(65_535));
    }

    #[test]
    fn tags_ascend_and_stand_once() {
        let field = |tag| [tag, 0, 1, 9];
        assert!(Fields::read(&[field(1), field(2)].concat()).is_some());
        for tags in [[2, 1], [1, 1]] {
            assert_eq!(Fields::read(&tags.map(field).concat()), None);
        }
        for cut in 1..4 {
            assert_eq!(Fields::read(&field(1)[..cut]), None);
        }
    }
}
