//! The simulated fleet on real UDP and TCP sockets.
