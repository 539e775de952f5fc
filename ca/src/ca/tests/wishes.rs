//! What a CSR asks for, and never gets (C2 to C7).

use rcgen::{
    BasicConstraints, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
};

use super::*;

/// An extension's object identifier, whether it is critical, and its value.
type Extension = (String, bool, Vec<u8>);

/// Signs a CSR with these wishes and says what the svid's subject and extensions are.
fn granted(ca: &Ca, wishes: &CertificateParams) -> (String, Vec<Extension>) {
    let key = SubjectKey::from_csr(&csr_asking(wishes, &key_pair(&PKCS_ECDSA_P256_SHA256))).unwrap();
    let issued = ca.issue(&identity("web"), &key, start()).unwrap();
    let (_, svid) = X509Certificate::from_der(&issued.chain[0]).unwrap();
    let row = |found: &X509Extension<'_>| (found.oid.to_id_string(), found.critical, found.value.to_vec());
    (svid.subject().to_string(), svid.extensions().iter().map(row).collect())
}

fn uri(uri: &str) -> SanType {
    SanType::URI(uri.try_into().unwrap())
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

fn critical(oid: &[u64], value: &[u8]) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, value.to_vec());
    extension.set_criticality(true);
    extension
}

/// The svid is the same as one for a CSR without any wish, except for what is random in both.
fn assert_ignored(wish: impl FnOnce(&mut CertificateParams)) {
    let ca = svid_ca(HOUR);
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let honest = granted(&ca, &params);
    wish(&mut params);
    assert_eq!(granted(&ca, &params), honest);
}

// C2
#[test]
fn another_identity_is_not_granted() {
    assert_ignored(|wish| wish.subject_alt_names = vec![uri("spiffe://demo.local/ns/demo/sa/payments")]);
}

// C3
#[test]
fn a_second_identity_is_not_granted() {
    let two = ["spiffe://demo.local/ns/demo/sa/web", "spiffe://other/x"];
    assert_ignored(|wish| wish.subject_alt_names = two.map(uri).to_vec());
}

// C4
#[test]
fn an_authority_s_powers_are_not_granted() {
    assert_ignored(|wish| {
        wish.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        wish.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    });
}

// C4
#[test]
fn other_usages_are_not_granted() {
    let usages = [ExtendedKeyUsagePurpose::CodeSigning, ExtendedKeyUsagePurpose::Any];
    assert_ignored(|wish| wish.extended_key_usages = usages.to_vec());
}

// C4
#[test]
fn name_constraints_and_unknown_critical_extensions_are_not_copied() {
    let dns_only = [0x30, 0x09, 0xa0, 0x07, 0x30, 0x05, 0x82, 0x03, b'a', b'.', b'b'];
    let extensions =
        [critical(&[2, 5, 29, 30], &dns_only), critical(&[1, 3, 6, 1, 4, 1, 99_999, 1], &[5, 0])];
    assert_ignored(|wish| wish.custom_extensions = extensions.to_vec());
}

// C5
#[test]
fn a_subject_is_not_granted() {
    assert_ignored(|wish| {
        wish.distinguished_name.push(DnType::CommonName, "../../x");
        wish.distinguished_name.push(DnType::OrganizationName, "system:masters");
    });
}

// C6
#[test]
fn host_names_are_not_granted() {
    assert_ignored(|wish| wish.subject_alt_names = ["*", "kubernetes.default"].map(dns).to_vec());
}

// C7
#[test]
fn addresses_are_not_granted() {
    assert_ignored(|wish| wish.subject_alt_names = vec![SanType::IpAddress([169, 254, 169, 254].into())]);
}
