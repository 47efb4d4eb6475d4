//! Encodings: the binary form of passes and of parts of the member tree, JSON, and the files of iden3's tools.

pub mod iden3;
mod json;
pub mod members;
pub mod wire;
