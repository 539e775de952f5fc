//! Which bundle may replace which.

use super::{Case, Parts, jwk, pair, read, refuse};

fn numbered(sequence: u64, entries: &[String]) -> String {
    jwk::set(entries).replacen('{', &format!(r#"{{"spiffe_sequence":{sequence},"#), 1)
}

fn both(parts: &Parts) -> [String; 2] {
    [parts.x509(), parts.jwt()]
}

/// Forward, back, and the same number again.
pub(super) fn cases() -> Vec<Case> {
    let (grows, changes) = ("Bundle 4.1.1 monotonic", "Bundle 4.1.1 changes");
    vec![
        pair("number-grows", grows, read(1, 1), |p| (numbered(1, &[p.x509()]), numbered(2, &both(p)))),
        pair("number-leaps", grows, read(1, 0), |p| (numbered(1, &both(p)), numbered(u64::MAX, &[p.x509()]))),
        pair("number-goes-back", grows, refuse("WentBack"), |p| {
            (numbered(2, &both(p)), numbered(1, &[p.x509()]))
        }),
        pair("number-goes-back-with-the-same-content", grows, refuse("WentBack"), |p| {
            (numbered(2, &both(p)), numbered(1, &both(p)))
        }),
        pair("number-goes-back-to-zero", grows, refuse("WentBack"), |p| {
            (numbered(u64::MAX, &both(p)), numbered(0, &both(p)))
        }),
        pair("same-bundle-again", changes, read(1, 1), |p| (numbered(3, &both(p)), numbered(3, &both(p)))),
        pair("key-added-under-one-number", changes, refuse("Unchanged"), |p| {
            (numbered(3, &[p.x509()]), numbered(3, &both(p)))
        }),
        pair("key-removed-under-one-number", changes, refuse("Unchanged"), |p| {
            (numbered(3, &both(p)), numbered(3, &[p.x509()]))
        }),
        pair("all-keys-removed-under-a-new-number", "Bundle 4.1.3 none", read(0, 0), |p| {
            (numbered(3, &both(p)), numbered(4, &[]))
        }),
        pair("number-vanishes", grows, refuse("Missing"), |p| (numbered(3, &both(p)), jwk::set(&both(p)))),
        pair("number-appears", grows, read(1, 1), |p| (jwk::set(&both(p)), numbered(0, &both(p)))),
        pair("no-numbers", "Bundle 4.1.1 monotonic", read(1, 0), |p| {
            (jwk::set(&both(p)), jwk::set(&[p.x509()]))
        }),
    ]
}
