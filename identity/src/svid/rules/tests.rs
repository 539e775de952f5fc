//! The frame, byte by byte: certificates that no library would write.

use super::*;
use crate::der::DerError;
use crate::svid::{Authority, Broken, Leaf};
use crate::testing::{Raw, element, oid, san, sequence};

const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";
const ADMIN: &str = "spiffe://demo.local/ns/shop/sa/admin";

mod extensions;
mod frame;
mod keys;
mod names;
mod places;

type Spoil = fn(&mut Raw);

fn raw(spoil: impl FnOnce(&mut Raw)) -> Vec<u8> {
    let mut raw = Raw::leaf(WEB);
    spoil(&mut raw);
    raw.der()
}

fn parse(spoil: impl FnOnce(&mut Raw)) -> Result<Leaf, ProfileError> {
    Leaf::parse(&raw(spoil)).map_err(|broken| broken.rule)
}

/// Spoils a correct certificate row by row, and wants each refused for its own reason.
fn check(rows: &[(&str, Spoil, ProfileError)]) {
    for (rule, spoil, want) in rows {
        assert_eq!(parse(spoil).as_ref(), Err(want), "{rule}");
    }
}

#[test]
fn a_certificate_of_bytes_is_read_like_any_other() {
    assert_eq!(parse(|_| ()).unwrap().identity().as_str(), WEB);
    assert!(Authority::parse(&Raw::authority("spiffe://demo.local").der()).is_ok());
}

/// The same, where all rows break the layout.
fn check_layout(rows: &[(&str, Spoil, DerError)]) {
    for (rule, spoil, error) in rows {
        assert_eq!(parse(spoil), Err(ProfileError::Layout(*error)), "{rule}");
    }
}
