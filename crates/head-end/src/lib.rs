//! Drives the conductor with sockets, timers, a clock and a disk.
