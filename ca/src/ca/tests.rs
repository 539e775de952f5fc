//! The authority as a whole: what it mints, what it refuses to mint, and what it is after a restart.

use std::fs;
use std::time::Duration;

use kith_identity::svid::Leaf;
use rcgen::{CertificateParams, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use x509_parser::prelude::*;

use super::*;
use crate::testing::*;
use crate::{LifetimesError, OutsideAuthority};

fn svid_ca(svid: Duration) -> Ca {
    new_ca(Lifetimes { svid, ..Lifetimes::default() })
}

fn issue(ca: &Ca, now: SystemTime) -> Issued {
    ca.issue(&identity("web"), &subject_key(), now).unwrap()
}

mod minting;
mod refusing;
mod reopening;
mod replacing;
mod wishes;
