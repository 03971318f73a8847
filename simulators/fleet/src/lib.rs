//! Hubs, meters, links, flash and faults under virtual time.
