//! What rcgen does not write as certificates that are no authority need it. Owns how that is encoded.

use rcgen::CustomExtension;

/// RFC 5280 §4.2.1.9: basicConstraints, and its value without fields, which is cA false.
const BASIC_CONSTRAINTS: &[u64] = &[2, 5, 29, 19];
const NOT_AN_AUTHORITY: &[u8] = &[0x30, 0x00];

/// Says, critically, that the certificate signs no other.
pub(crate) fn not_an_authority() -> CustomExtension {
    let mut constraints = CustomExtension::from_oid_content(BASIC_CONSTRAINTS, NOT_AN_AUTHORITY.to_vec());
    constraints.set_criticality(true);
    constraints
}
