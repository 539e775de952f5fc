//! What an svid says (X509-SVID §2 to §4, C22): one identity, and that its key signs handshakes on either side.
//! Owns the whole list of extensions; nothing can be added to it from outside.

use kith_identity::SpiffeId;
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
    SerialNumber,
};

use crate::extension::not_an_authority;
use crate::validity::Validity;

/// The certificate to sign. Its subject is empty, and so rcgen makes the name critical (X509-SVID §3.1).
pub(super) fn svid(
    identity: &SpiffeId,
    serial: SerialNumber,
    validity: Validity,
) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(identity.as_str().try_into()?)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params.serial_number = Some(serial);
    validity.write(&mut params);
    // rcgen's own way to say cA false also adds a subject key identifier, which nobody asked for.
    params.is_ca = IsCa::NoCa;
    params.custom_extensions = vec![not_an_authority()];
    Ok(params)
}
