//! Bytes and text: passes and parts of the member tree on the wire, JSON, and the files of iden3's tools.

pub mod iden3;
mod json;
pub mod members;
pub mod wire;
