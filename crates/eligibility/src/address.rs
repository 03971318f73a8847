//! Where a hub is reached: an IP address with a port, as whoever sends to it needs it.
//!
//! It is read once, with the row it stands in, so that a list with an address that nobody can send to is a list with a
//! fault, and no home ends in a campaign for it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use crate::table::Cell;
use crate::text::{SharedTexts, TextError};

/// Where a hub is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HubAddress(SocketAddr);

impl HubAddress {
    const EXPECTED: &'static str = "an IP address with a port, such as 10.0.0.7:4059 or [fd00::7]:4059";

    /// Reads an address of one host with a port: port 0, a group of hosts, all hosts and no host are none that a hub has.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let address: SocketAddr = text.parse().map_err(|_| TextError::NoAddress)?;
        let ip = address.ip().to_canonical();
        let is_one_host =
            !(ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST));
        if is_one_host && address.port() != 0 { Ok(Self(address)) } else { Err(TextError::NoAddress) }
    }

    /// Returns the address to send to.
    pub fn socket(self) -> SocketAddr {
        self.0
    }
}

impl fmt::Display for HubAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for HubAddress {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        Self::new(text)
    }
}

impl Cell for HubAddress {
    fn expected() -> String {
        Self::EXPECTED.to_string()
    }

    fn parse(text: &str, _: &mut SharedTexts) -> Option<Self> {
        Self::new(text).ok()
    }

    fn print(&self) -> String {
        self.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_one_host_with_a_port() {
        for good in ["127.0.0.1:4059", "10.0.0.7:1", "[fd00::7]:4059", "[fe80::7%3]:4059"] {
            assert_eq!(HubAddress::new(good).map(|address| address.to_string()), Ok(good.to_string()));
        }
        for bad in [
            "",
            "meter-hub-1",
            "meter-hub-1:4059",
            "10.0.0.7",
            "10.0.0.7:",
            "10.0.0.7:0",
            "10.0.0.7:65536",
            "10.0.0.700:4059",
            " 10.0.0.7:4059",
            "fd00::7:4059",
            "[fd00::7]",
            "0.0.0.0:4059",
            "[::]:4059",
            "[::ffff:0.0.0.0]:4059",
            "224.0.0.1:4059",
            "255.255.255.255:4059",
            "[ff02::1]:4059",
        ] {
            assert_eq!(HubAddress::new(bad), Err(TextError::NoAddress), "{bad:?}");
        }
    }
}
