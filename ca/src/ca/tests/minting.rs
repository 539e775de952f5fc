//! What an svid is.

use super::*;

// C22.
// Conforms: X509-SVID 2 one-uri, X509-SVID 3.1 issued-path, X509-SVID 3.1 critical-name, X509-SVID 4.1 issued
// Conforms: X509-SVID 4.3 issued, X509-SVID 4.4 include
#[test]
fn an_svid_has_exactly_the_extensions_of_the_profile_and_no_name_but_its_identity() {
    let issued = issue(&svid_ca(HOUR), start());
    let (_, svid) = X509Certificate::from_der(&issued.chain[0]).unwrap();
    let mut extensions: Vec<_> =
        svid.extensions().iter().map(|found| (found.oid.to_id_string(), found.critical)).collect();
    extensions.sort();
    let want = [
        ("2.5.29.15", true),  // keyUsage
        ("2.5.29.17", true),  // subjectAltName
        ("2.5.29.19", true),  // basicConstraints
        ("2.5.29.35", false), // authorityKeyIdentifier
        ("2.5.29.37", false), // extendedKeyUsage
    ];
    assert_eq!(extensions, want.map(|(oid, critical)| (oid.to_owned(), critical)));
    assert_eq!(svid.subject().iter_rdn().count(), 0);
    assert_eq!(svid.version(), X509Version::V3);
    let names = &svid.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert_eq!(names.as_slice(), [GeneralName::URI("spiffe://demo.local/ns/demo/sa/web")]);
    assert_eq!(svid.key_usage().unwrap().unwrap().value.to_string(), "Digital Signature");
    let constraints = svid.basic_constraints().unwrap().unwrap().value;
    assert_eq!((constraints.ca, constraints.path_len_constraint), (false, None));
    let extended = svid.extended_key_usage().unwrap().unwrap().value;
    let both = ExtendedKeyUsage {
        any: false,
        server_auth: true,
        client_auth: true,
        code_signing: false,
        email_protection: false,
        time_stamping: false,
        ocsp_signing: false,
        other: Vec::new(),
    };
    assert_eq!(*extended, both);
}

// Conforms: SPIFFE-ID 3.3 document
#[test]
fn what_is_said_of_an_svid_is_what_stands_in_it() {
    let key = subject_key();
    let issued = svid_ca(HOUR).issue(&identity("web"), &key, start()).unwrap();
    let leaf = Leaf::parse(&issued.chain[0]).unwrap();
    assert_eq!(leaf.identity(), &identity("web"));
    assert_eq!(leaf.key_hash(), key.key_hash());
    assert_eq!(leaf.serial(), &issued.serial);
    assert_eq!((leaf.not_before(), leaf.not_after()), (issued.not_before, issued.not_after));
    assert_eq!(issued.chain.len(), 2);
}

#[test]
fn an_svid_chains_to_its_own_authority_s_root_and_to_no_other() {
    let ca = svid_ca(HOUR);
    assert_eq!(check_chain(&ca, &issue(&ca, start()), start()), Ok(()));
    let p384 = SubjectKey::from_csr(&csr(&key_pair(&PKCS_ECDSA_P384_SHA384))).unwrap();
    assert_eq!(check_chain(&ca, &ca.issue(&identity("web"), &p384, start()).unwrap(), start()), Ok(()));
    let other = svid_ca(HOUR);
    assert!(check_chain(&other, &issue(&ca, start()), start()).is_err());
}

// C16
#[test]
fn every_svid_has_a_serial_number_of_its_own() {
    let ca = svid_ca(HOUR);
    let key = subject_key();
    let serials: std::collections::HashSet<_> =
        (0..100).map(|_| ca.issue(&identity("web"), &key, start()).unwrap().serial).collect();
    assert_eq!(serials.len(), 100);
    assert!(serials.iter().all(|serial| serial.octets().len() == 16));
}

// C17
#[test]
fn an_svid_is_backdated_by_at_most_a_minute_and_lives_as_long_as_configured() {
    for svid in [Duration::from_secs(20), HOUR, DAY] {
        // A little later than the authorities were made, so that only the svid's own rule counts.
        let now = start() + Duration::from_secs(90);
        let issued = issue(&svid_ca(svid), now);
        let backdated = now.duration_since(issued.not_before).unwrap();
        assert!(backdated > Duration::from_secs(59) && backdated <= Duration::from_secs(60), "{backdated:?}");
        let lives = issued.not_after.duration_since(now).unwrap();
        assert!(lives <= svid && lives > svid - Duration::from_secs(1), "{lives:?}");
    }
}

#[test]
fn a_renewal_window_lies_between_45_and_65_percent_of_what_is_left_from_issuance() {
    let ca = svid_ca(HOUR);
    for _ in 0..100 {
        let issued = issue(&ca, start());
        let lifetime = issued.not_after.duration_since(start()).unwrap();
        assert!(issued.renew_from >= start() + lifetime.mul_f64(0.45), "{issued:?}");
        assert!(issued.renew_from < issued.renew_until);
        assert!(issued.renew_until <= start() + lifetime.mul_f64(0.65), "{issued:?}");
    }
}

#[test]
fn two_windows_differ() {
    let ca = svid_ca(DAY);
    assert_ne!(issue(&ca, start()).renew_from, issue(&ca, start()).renew_from);
}

#[test]
fn the_roots_are_published_as_text_that_reads_back_as_the_bundle() {
    let ca = svid_ca(HOUR);
    let text = ca.roots_pem();
    let published: Vec<_> = Pem::iter_from_buffer(text.as_bytes()).map(|pem| pem.unwrap().contents).collect();
    let bundle: Vec<_> = ca.bundle().authorities().iter().map(|authority| authority.der().to_vec()).collect();
    assert_eq!(published, bundle);
}
