//! What the certificates say, and when they are replaced. That clients accept them is `kith-mtls`' test.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::*;
use crate::testing::start;

const NAME: &str = "kith-control-plane.kith.svc";

fn read(der: &[u8]) -> X509Certificate<'_> {
    X509Certificate::from_der(der).unwrap().1
}

#[test]
fn a_certificate_is_a_servers_of_this_name_and_signed_by_its_authority() {
    let authority = WebAuthority::create(NAME, start()).unwrap();
    let issued = authority.issue(start()).unwrap();
    let (leaf, above) = (read(issued.der()), read(&authority.der));

    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names, [GeneralName::DNSName(NAME)]);
    assert!(!leaf.is_ca());
    let usages = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(usages.server_auth && !usages.client_auth && !usages.any);
    assert!(leaf.key_usage().unwrap().unwrap().value.digital_signature());

    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &above.public_key().subject_public_key.data);
    key.verify(leaf.tbs_certificate.as_ref(), &leaf.signature_value.data).unwrap();
    assert_eq!(leaf.issuer(), above.subject());
}

#[test]
fn an_authority_can_sign_for_its_one_name_only_and_for_no_authority() {
    let authority = WebAuthority::create(NAME, start()).unwrap();
    let certificate = read(&authority.der);
    let constraints = certificate.basic_constraints().unwrap().unwrap().value;
    assert_eq!((constraints.ca, constraints.path_len_constraint), (true, Some(0)));
    let permitted = certificate.iter_extensions().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::NameConstraints(names) => names.permitted_subtrees.clone(),
        _ => None,
    });
    let permitted = permitted.unwrap();
    assert_eq!(permitted.len(), 1);
    assert_eq!(permitted[0].base, GeneralName::DNSName(NAME));
}

#[test]
fn both_are_due_at_half_their_life_and_when_the_clock_stands_before_them() {
    let authority = WebAuthority::create(NAME, start()).unwrap();
    let certificate = authority.issue(start()).unwrap();
    for (days, certificate_due, authority_due) in
        [(0, false, false), (3, false, false), (4, true, false), (46, true, true)]
    {
        let now = start() + days * DAY;
        assert_eq!(certificate.is_due(now), certificate_due, "after {days} days");
        assert_eq!(authority.is_due(now), authority_due, "after {days} days");
    }
    // T2
    assert!(certificate.is_due(start() - DAY) && authority.is_due(start() - DAY));
}

#[test]
fn a_certificate_never_outlives_its_authority() {
    let authority = WebAuthority::create(NAME, start()).unwrap();
    let last = authority.issue(start() + 89 * DAY).unwrap();
    assert_eq!(last.validity.not_after(), authority.validity.not_after());
    assert!(matches!(authority.issue(start() + 91 * DAY), Err(WebError::Authority(_))));
}

#[test]
fn a_long_name_is_whole_where_it_counts_and_what_is_no_name_is_refused() {
    let long = format!("kith-control-plane.{}.svc", "n".repeat(63));
    let authority = WebAuthority::create(&long, start()).unwrap();
    let issued = authority.issue(start()).unwrap();
    let leaf = read(issued.der());
    let names = leaf.subject_alternative_name().unwrap().unwrap();
    assert_eq!(names.value.general_names, [GeneralName::DNSName(&long)]);

    let error = WebAuthority::create("näme", start());
    assert!(matches!(error, Err(WebError::Sign { .. })), "{error:?}");
}

// G4
#[test]
fn no_key_is_shown() {
    let authority = WebAuthority::create(NAME, start()).unwrap();
    let shown = format!("{authority:?} {:?}", authority.issue(start()).unwrap());
    assert!(!shown.contains("key"), "{shown}");
}
