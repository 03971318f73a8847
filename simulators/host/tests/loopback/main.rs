//! The hosts on loopback sockets, with bounded waits and a steady, fast clock.

mod crowd; // ten thousand hubs behind one socket
mod devices; // one hub and one meter, as other people's software meets them
mod fleet; // many hubs behind one socket
mod talk; // a small DLMS client over real sockets
