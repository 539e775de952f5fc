//! Certificates for this crate's tests. Nothing here verifies a signature, so every one signs itself, or is not signed at
//! all: [`Raw`] writes whatever bytes a test wants, which no library of certificates would.

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DistinguishedName, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};

mod raw;

pub(crate) use raw::{Raw, element, oid, san, sequence};

/// The serial number of every certificate made here, so that tests can find its octets.
pub(crate) const SERIAL: [u8; 8] = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x01];

/// A correct svid for `uri`, for a test to spoil.
pub(crate) fn leaf(uri: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![name(uri)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.is_ca = IsCa::ExplicitNoCa;
    params.serial_number = Some(SerialNumber::from_slice(&SERIAL));
    params.not_before = date_time_ymd(2026, 1, 1);
    params.not_after = date_time_ymd(2026, 1, 2);
    params
}

/// A correct authority for `uri`.
pub(crate) fn authority(uri: &str) -> CertificateParams {
    let mut params = leaf(uri);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages.clear();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// A URI name.
pub(crate) fn name(uri: &str) -> SanType {
    SanType::URI(uri.try_into().unwrap())
}

/// An extension with these octets as its value.
pub(crate) fn extension(oid: &[u64], value: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(oid, value.to_vec());
    extension.set_criticality(critical);
    extension
}

/// The DER of a certificate with a key of its own.
pub(crate) fn der(params: &CertificateParams) -> Vec<u8> {
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
}
