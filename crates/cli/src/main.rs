//! The `lamplighter` command: the only binary of the house.

fn main() {}
