//! Where the remote-debugging host is.

use std::fmt;

/// A host and port to dial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAddress {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// A TCP port.
    pub port: u16,
}

/// `REMOTE_INSTALL_URL` names no host and port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "REMOTE_INSTALL_URL must be host:port, [IPv6]:port or scheme://host:port, for example debug.dify.ai:5003; it {0}"
)]
pub struct AddressError(&'static str);

impl RemoteAddress {
    /// The address of `url` (`REMOTE_INSTALL_URL`) or, when that is not set, `host` and `port`. Scheme, user and path
    /// of a URL do not matter: the protocol is always plain TCP. An IPv6 `host` may have the brackets of a URL.
    ///
    /// # Errors
    ///
    /// When `url` is set and has no host, no port from 1 to 65535, or an IPv6 address without brackets.
    pub fn pick(url: Option<&str>, host: &str, port: u16) -> Result<Self, AddressError> {
        match url.map(str::trim).filter(|url| !url.is_empty()) {
            Some(url) => Self::parse(url),
            None => {
                let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
                Ok(Self { host: bare.unwrap_or(host).to_owned(), port })
            }
        }
    }

    fn parse(url: &str) -> Result<Self, AddressError> {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let authority = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once("]:").ok_or(AddressError("has no port behind the bracket"))?,
            None => authority.split_once(':').ok_or(AddressError("has no port"))?,
        };
        if port.contains(':') {
            return Err(AddressError("has several colons: an IPv6 address needs brackets"));
        }
        if host.is_empty() {
            return Err(AddressError("has no host"));
        }
        match port.parse() {
            Ok(0) | Err(_) => Err(AddressError("has no valid port")),
            Ok(port) => Ok(Self { host: host.to_owned(), port }),
        }
    }
}

impl fmt::Display for RemoteAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_host_and_port_with_or_without_scheme() {
        for (url, shown) in [
            ("debug.dify.ai:5003", "debug.dify.ai:5003"),
            ("tcp://h:5003", "h:5003"),
            ("http://user:pw@h:80/path?x=a:b", "h:80"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("[::1]:5003", "[::1]:5003"),
            ("tcp://[fe80::1]:65535/", "[fe80::1]:65535"),
            (" h:1 ", "h:1"),
        ] {
            assert_eq!(RemoteAddress::pick(Some(url), "x", 2).unwrap().to_string(), shown);
        }
        assert_eq!(RemoteAddress::pick(Some("[::1]:5003"), "x", 2).unwrap().host, "::1");
    }

    #[test]
    fn without_a_url_host_and_port_count() {
        for url in [None, Some(""), Some(" ")] {
            assert_eq!(RemoteAddress::pick(url, "localhost", 5003).unwrap().to_string(), "localhost:5003");
        }
        for host in ["::1", "[::1]"] {
            assert_eq!(RemoteAddress::pick(None, host, 5003).unwrap().host, "::1", "the resolver knows no brackets");
        }
    }

    #[test]
    fn an_address_without_port_or_brackets_is_refused() {
        for url in ["debug.dify.ai", "http://h", ":5003", "h:", "h:x", "h:0", "h:65536", "::1:5003", "[::1]"] {
            assert!(RemoteAddress::pick(Some(url), "x", 2).is_err(), "{url}");
        }
    }
}
