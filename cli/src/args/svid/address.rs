//! The address of a SPIFFE endpoint, as `SPIFFE_ENDPOINT_SOCKET` has it (Workload Endpoint §4). Owns the rules of that
//! section; what is spoken there is `commands::svid`'s.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStringExt as _;
use std::path::PathBuf;

const FORMS: &str = "write unix:///PATH or tcp://IP:PORT";

/// Where a Workload API is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointAddress {
    /// A Unix domain socket, by its absolute path.
    Unix(PathBuf),
    /// A TCP socket, by its IP address and port.
    Tcp(SocketAddr),
}

/// Why a text is no address of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing says how to connect.
    #[error("{0:?} has no scheme; {FORMS}")]
    NoScheme(String),
    /// It is neither of the two that there are.
    #[error("the scheme {0:?} is neither unix nor tcp; {FORMS}")]
    Scheme(String),
    /// A component that an address does not have.
    #[error("{address:?} has {component}, which an address of its scheme does not have; {FORMS}")]
    Component {
        /// The address.
        address: String,
        /// What stands there.
        component: &'static str,
    },
    /// The path of a socket does not begin at the root, or is none.
    #[error("the path in {0:?} is not absolute; write unix:///PATH")]
    Path(String),
    /// A percent sign without two digits behind it, or one that hides a zero byte.
    #[error(
        "the path in {0:?} has a percent sign that stands for no byte of a path; write %25 for the sign itself"
    )]
    Percent(String),
    /// The host is no IP address, or there is no port.
    #[error("{0:?} does not name an IP address and a port; write tcp://127.0.0.1:8000")]
    Host(String),
}

impl EndpointAddress {
    /// Reads what a setting or the variable says.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (scheme, rest) = text.split_once(':').ok_or_else(|| AddressError::NoScheme(text.to_owned()))?;
        // RFC 3986 §3.1: a scheme is read without regard to case.
        let is = |name: &str| scheme.eq_ignore_ascii_case(name);
        if !is("unix") && !is("tcp") {
            // A path with a colon in it has no scheme.
            let has_one = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
            return Err(if has_one {
                AddressError::Scheme(scheme.to_owned())
            } else {
                AddressError::NoScheme(text.to_owned())
            });
        }
        for (sign, component) in [('?', "a query"), ('#', "a fragment")] {
            if rest.contains(sign) {
                return Err(AddressError::Component { address: text.to_owned(), component });
            }
        }
        if is("unix") { unix(text, rest) } else { tcp(text, rest) }
    }
}

fn unix(text: &str, rest: &str) -> Result<EndpointAddress, AddressError> {
    let path = match rest.strip_prefix("//") {
        // Two slashes begin an authority, which has to be empty.
        Some(after) if !after.starts_with('/') && !after.is_empty() => {
            return Err(AddressError::Component { address: text.to_owned(), component: "an authority" });
        }
        Some(after) => after,
        None => rest,
    };
    if !path.starts_with('/') || path.len() == 1 {
        return Err(AddressError::Path(text.to_owned()));
    }
    let bytes = decoded(path.as_bytes()).ok_or_else(|| AddressError::Percent(text.to_owned()))?;
    Ok(EndpointAddress::Unix(OsString::from_vec(bytes).into()))
}

/// RFC 3986 §2.1: a percent sign and two digits stand for a byte.
fn decoded(path: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.iter();
    while let Some(&byte) = rest.next() {
        let digit = |digit: Option<&u8>| char::from(*digit?).to_digit(16);
        bytes.push(match byte {
            b'%' => u8::try_from(digit(rest.next())? * 16 + digit(rest.next())?).ok()?,
            _ => byte,
        });
    }
    (!bytes.contains(&0)).then_some(bytes)
}

fn tcp(text: &str, rest: &str) -> Result<EndpointAddress, AddressError> {
    let authority = rest.strip_prefix("//").ok_or_else(|| AddressError::Host(text.to_owned()))?;
    for (sign, component) in [('/', "a path"), ('@', "userinfo")] {
        if authority.contains(sign) {
            return Err(AddressError::Component { address: text.to_owned(), component });
        }
    }
    let address: SocketAddr = authority.parse().map_err(|_| AddressError::Host(text.to_owned()))?;
    if address.port() == 0 {
        Err(AddressError::Host(text.to_owned()))
    } else {
        Ok(EndpointAddress::Tcp(address))
    }
}

impl fmt::Display for EndpointAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Conforms: Endpoint 4 scheme, Endpoint 4 unix-path, Endpoint 4 tcp-host, Endpoint 4 tcp-port
    #[test]
    fn the_two_forms_of_the_standard_are_read() {
        let unix = |path: &str| EndpointAddress::Unix(path.into());
        let tcp = |address: &str| EndpointAddress::Tcp(address.parse().unwrap());
        for (text, want) in [
            ("unix:///run/spire/agent.sock", unix("/run/spire/agent.sock")),
            ("unix:/run/agent.sock", unix("/run/agent.sock")),
            ("UNIX:///run/agent.sock", unix("/run/agent.sock")),
            ("unix:///run/a%20b%2521", unix("/run/a b%21")),
            ("tcp://127.0.0.1:8000", tcp("127.0.0.1:8000")),
            ("tcp://[::1]:8000", tcp("[::1]:8000")),
        ] {
            assert_eq!(EndpointAddress::parse(text), Ok(want), "{text}");
        }
    }

    // Conforms: Endpoint 4 scheme, Endpoint 4 unix-path, Endpoint 4 tcp-host, Endpoint 4 tcp-port
    #[test]
    fn what_the_standard_does_not_name_is_no_address() {
        for (text, want) in [
            ("", "has no scheme"),
            ("/run/agent.sock", "has no scheme"),
            ("/run/a:b", "has no scheme"),
            ("http://127.0.0.1:8000", "neither unix nor tcp"),
            ("unix:agent.sock", "not absolute"),
            ("unix:", "not absolute"),
            ("unix://", "not absolute"),
            ("unix:///", "not absolute"),
            ("unix:///a%zz", "percent"),
            ("unix:///a%2", "percent"),
            ("unix:///a%00b", "percent"),
            ("tcp:127.0.0.1:8000", "an IP address and a port"),
            ("tcp://127.0.0.1", "an IP address and a port"),
            ("tcp://127.0.0.1:0", "an IP address and a port"),
            ("tcp://127.0.0.1:65536", "an IP address and a port"),
            ("tcp://localhost:8000", "an IP address and a port"),
            ("tcp://:8000", "an IP address and a port"),
            ("tcp://", "an IP address and a port"),
        ] {
            let error = EndpointAddress::parse(text).unwrap_err().to_string();
            assert!(error.contains(want), "{text}: {error}");
        }
    }

    // Conforms: Endpoint 4 unix-authority, Endpoint 4 nothing-else
    #[test]
    fn no_other_component_may_be_set() {
        for (text, want) in [
            ("unix://agent.sock", "an authority"),
            ("unix://user@host/agent.sock", "an authority"),
            ("unix:///agent.sock?a=b", "a query"),
            ("unix:///agent.sock#a", "a fragment"),
            ("tcp://127.0.0.1:8000/", "a path"),
            ("tcp://127.0.0.1:8000/foo", "a path"),
            ("tcp://user@127.0.0.1:8000", "userinfo"),
            ("tcp://127.0.0.1:8000?a", "a query"),
            ("tcp://127.0.0.1:8000#a", "a fragment"),
        ] {
            let (address, component) = (text.to_owned(), want);
            assert_eq!(EndpointAddress::parse(text), Err(AddressError::Component { address, component }));
        }
    }

    #[test]
    fn an_address_is_shown_as_it_is_written() {
        for text in ["unix:///run/agent.sock", "tcp://127.0.0.1:8000", "tcp://[::1]:8000"] {
            assert_eq!(EndpointAddress::parse(text).unwrap().to_string(), text);
        }
    }
}
