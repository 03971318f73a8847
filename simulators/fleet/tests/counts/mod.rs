//! The table of counts that the README quotes: whatever prints a part of it prints rows of this form.

/// Prints the head of the table.
pub fn print_head() {
    println!("{:<50} | {:>11}", "what", "count");
    println!("{:-<50}-|{:->11}:", "", "");
}

/// Prints a row of it.
pub fn print_row(what: &str, count: impl std::fmt::Display) {
    println!("{what:<50} | {count:>11}");
}
