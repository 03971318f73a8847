//! The gate and its files, from outside.

mod world; // one home, its register and an order, to be altered by each test

mod conditions; // block A, row by row
mod csv; // line ends, quotes
mod every_state; // block B: all states of all evidence against the table, written a second time
mod evidence; // block B, row by row
mod files; // what is wrong with files, named
mod partial; // lists taken in part
mod round_trip; // any rows can be written and read; any bytes can be read
mod sentences; // what a verdict says to people and to programs
