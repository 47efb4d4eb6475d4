//! The program `quotapass`.

fn main() {}
