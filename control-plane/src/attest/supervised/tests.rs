//! Statements: what is used once, and what never.

use kith_identity::svid::KeyHash;
use prost::Message;

use super::*;
use crate::attest::statement::{StatementClaims, StatementSigner};
use crate::testing::{id, trust_domain};
use kith_proto::v1;

const INSTANCE: [u8; INSTANCE_BYTES] = [3; INSTANCE_BYTES];
const KEY: [u8; 32] = [9; 32];

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn claims() -> StatementClaims {
    let key_hash = KeyHash::from_bytes(KEY);
    StatementClaims { identity: id("orders"), key_hash, instance: INSTANCE, expires: now() + LIFETIME }
}

fn pair() -> (StatementSigner, StatementVerifier) {
    let signer = StatementSigner::generate().unwrap();
    let verifier = StatementVerifier::new(signer.public_key(), INSTANCE, trust_domain());
    (signer, verifier)
}

#[test]
fn a_statement_attests_its_identity_and_its_key() {
    let (signer, verifier) = pair();
    let statement = signer.sign(&claims()).unwrap();
    assert_eq!(verifier.verify(&statement, now()), Ok((id("orders"), KeyHash::from_bytes(KEY))));
}

#[test]
fn a_statement_is_good_for_one_use() {
    let (signer, verifier) = pair();
    let statement = signer.sign(&claims()).unwrap();
    verifier.verify(&statement, now()).unwrap();
    assert_eq!(verifier.verify(&statement, now()), Err(StatementError::Used));
    // Two statements of the same claims are two.
    verifier.verify(&signer.sign(&claims()).unwrap(), now()).unwrap();
}

#[test]
fn claims_that_no_statement_may_have_are_refused() {
    let foreign = SpiffeId::parse("spiffe://other.local/ns/demo/sa/orders").unwrap();
    let reserved = SpiffeId::control_plane(&trust_domain());
    let table = [
        (StatementClaims { instance: [4; INSTANCE_BYTES], ..claims() }, StatementError::OtherInstance),
        (StatementClaims { expires: now(), ..claims() }, StatementError::Expired),
        (StatementClaims { expires: now() - LIFETIME, ..claims() }, StatementError::Expired),
        (
            StatementClaims { expires: now() + LIFETIME + Duration::from_millis(1), ..claims() },
            StatementError::TooLong,
        ),
        (
            StatementClaims { identity: foreign.clone(), ..claims() },
            StatementError::Foreign { identity: foreign, trust_domain: trust_domain() },
        ),
        (StatementClaims { identity: reserved.clone(), ..claims() }, StatementError::Reserved(reserved)),
    ];
    let (signer, verifier) = pair();
    for (claims, expected) in table {
        let statement = signer.sign(&claims).unwrap();
        assert_eq!(verifier.verify(&statement, now()), Err(expected), "{claims:?}");
    }
}

#[test]
fn a_statement_of_another_key_is_refused() {
    let (_, verifier) = pair();
    let statement = StatementSigner::generate().unwrap().sign(&claims()).unwrap();
    assert_eq!(verifier.verify(&statement, now()), Err(FormatError::Signature.into()));
}

#[test]
fn a_statement_with_any_byte_changed_is_refused_and_uses_nothing_up() {
    let (signer, verifier) = pair();
    let statement = signer.sign(&claims()).unwrap();
    for position in 0..statement.len() {
        let mut tampered = statement.clone();
        tampered[position] ^= 1;
        assert!(verifier.verify(&tampered, now()).is_err(), "byte {position}");
    }
    verifier.verify(&statement, now()).unwrap();
}

#[test]
fn a_signature_without_the_domain_of_statements_is_refused() {
    // The same key signs other bytes: what it signed elsewhere must never pass here.
    let key = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    let public = aws_lc_rs::signature::KeyPair::public_key(&key).as_ref().to_vec();
    let verifier = StatementVerifier::new(public, INSTANCE, trust_domain());
    let signed = v1::SignedStatement::decode(pair().0.sign(&claims()).unwrap().as_slice()).unwrap();
    let signature = key.sign(&signed.statement).as_ref().to_vec();
    let bytes = v1::SignedStatement { signature, ..signed }.encode_to_vec();
    assert_eq!(verifier.verify(&bytes, now()), Err(FormatError::Signature.into()));
}

#[test]
fn bytes_that_are_no_statement_are_refused_with_a_reason() {
    let (_, verifier) = pair();
    for bytes in [&b""[..], b"\xff\xff\xff", &[0; 5000]] {
        let error = verifier.verify(bytes, now()).unwrap_err();
        assert!(matches!(error, StatementError::Format(_)), "{error}");
    }
}

#[test]
fn a_signed_statement_with_an_unknown_field_is_refused() {
    let key = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    let public = aws_lc_rs::signature::KeyPair::public_key(&key).as_ref().to_vec();
    let verifier = StatementVerifier::new(public, INSTANCE, trust_domain());
    let signed = v1::SignedStatement::decode(pair().0.sign(&claims()).unwrap().as_slice()).unwrap();
    // Field 15, a varint.
    let statement = [signed.statement, vec![0x78, 0x01]].concat();
    let signature = key.sign(&[b"kith supervisor statement v1\0", statement.as_slice()].concat());
    let signature = signature.as_ref().to_vec();
    let bytes = v1::SignedStatement { statement, signature }.encode_to_vec();
    let error = verifier.verify(&bytes, now()).unwrap_err();
    assert!(matches!(error, StatementError::Format(FormatError::Malformed(_))), "{error}");
}

#[test]
fn the_memory_of_used_statements_is_bounded_and_refuses_when_it_is_full() {
    let mut used = Used::default();
    let expires = now() + LIFETIME;
    used.remember([1; 16], expires, now(), 2).unwrap();
    used.remember([2; 16], expires, now(), 2).unwrap();
    assert_eq!(used.remember([3; 16], expires, now(), 2), Err(StatementError::MemoryFull));

    let later = expires + MEMORY_MARGIN;
    used.remember([3; 16], later + LIFETIME, later, 2).unwrap();
    assert_eq!((used.nonces.len(), used.by_expiry.len()), (1, 1), "those that ended are forgotten");
}

#[test]
fn a_clock_set_back_a_little_does_not_make_a_used_statement_new() {
    let (signer, verifier) = pair();
    let statement = signer.sign(&claims()).unwrap();
    verifier.verify(&statement, now()).unwrap();
    let later = StatementClaims { expires: now() + LIFETIME * 3, ..claims() };
    verifier.verify(&signer.sign(&later).unwrap(), now() + LIFETIME * 2).unwrap();
    assert_eq!(verifier.verify(&statement, now()), Err(StatementError::Used));
}
