//! Encodings: the binary form of passes and of parts of the member tree, and JSON.

mod json;
pub mod members;
pub mod recorded;
pub mod wire;
