//! Bytes and text: passes on the wire, JSON, and the files of iden3's tools.

pub mod iden3;
mod json;
pub mod wire;
