//! Whole paths: how long, in which order, with what beside, and how far an authority lets them go.

use super::super::certificate::{BASIC_CONSTRAINTS, name};
use super::super::der;
use super::super::keys::Key;
use super::{ACCEPT, Case, Certificate, Presented, Signer, WEB, refuse, whole};

/// A root and as many issuing authorities below one another, with a leaf below the last.
fn depth(issuing: usize) -> Presented {
    depth_with(issuing, |_, _| ())
}

/// The same, with each signing certificate spoiled by its place: 0 is the root.
fn depth_with(issuing: usize, spoil: fn(usize, &mut Certificate)) -> Presented {
    let root = Signer::root_with("root", Key::p256(), |c| spoil(0, c));
    let mut signers = vec![root];
    for place in 1..=issuing {
        let above = &signers[place - 1];
        signers.push(above.issuing_with(&format!("issuing {place}"), Key::p256(), |c| spoil(place, c)));
    }
    let mut chain = vec![signers[issuing].svid()];
    chain.extend(signers[1..].iter().rev().map(|signer| signer.der.clone()));
    Presented::new(chain, &signers[0].der)
}

fn with_path_length(certificate: &mut Certificate, most: u8) {
    certificate.extension(BASIC_CONSTRAINTS).value =
        der::sequence(&[der::boolean(true), der::unsigned(&[most])]);
}

/// Length and order, path lengths, what else is in the chain.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = lengths();
    cases.extend(path_lengths());
    cases.extend(order());
    cases.extend(ambiguous());
    cases
}

fn lengths() -> Vec<Case> {
    let rule = "X509-SVID 5.1 path";
    vec![
        whole("below-the-root", rule, ACCEPT, |_| depth(0)),
        whole("below-one", rule, ACCEPT, |_| depth(1)),
        whole("below-two", rule, ACCEPT, |_| depth(2)),
        whole("below-five", rule, ACCEPT, |_| depth(5)),
        whole("below-six", rule, ACCEPT, |_| depth(6)),
        whole("below-nine", "Kith", refuse("TooLong"), |_| depth(9)),
        whole("hundred-certificates", "Kith", refuse("TooLong"), |world| {
            let mut presented = world.present(world.issuing.svid());
            presented.chain.extend(vec![world.issuing.der.clone(); 99]);
            presented
        }),
        whole("more-than-64-kib", "Kith", refuse("TooLong"), |world| {
            let mut presented = world.present(world.issuing.svid());
            presented.chain.push(vec![0; 64 * 1024]);
            presented
        }),
        whole("none-between", rule, refuse("UnknownAuthority"), |world| {
            Presented::new(vec![world.issuing.svid()], &world.root.der)
        }),
        whole("one-of-two-missing", rule, refuse("UnknownAuthority"), |_| {
            let mut presented = depth(2);
            presented.chain.remove(2);
            presented
        }),
    ]
}

fn path_lengths() -> Vec<Case> {
    let rule = "X509-SVID 5.1 path-length";
    vec![
        whole("path-length-zero-above-a-leaf", rule, ACCEPT, |_| {
            depth_with(1, |place, c| {
                if place == 1 {
                    with_path_length(c, 0)
                }
            })
        }),
        whole("path-length-just-kept", rule, ACCEPT, |_| {
            depth_with(2, |place, c| {
                if place == 1 {
                    with_path_length(c, 1)
                }
            })
        }),
        whole("path-length-exceeded", rule, refuse("Path"), |_| {
            depth_with(2, |place, c| {
                if place == 1 {
                    with_path_length(c, 0)
                }
            })
        }),
        whole("path-length-exceeded-by-two", rule, refuse("Path"), |_| {
            depth_with(4, |place, c| {
                if place == 1 {
                    with_path_length(c, 1)
                }
            })
        }),
        whole("path-length-of-the-root-kept", rule, ACCEPT, |_| {
            depth_with(1, |place, c| {
                if place == 0 {
                    with_path_length(c, 1)
                }
            })
        }),
        whole("path-length-of-the-root-zero", rule, ACCEPT, |_| {
            depth_with(0, |place, c| {
                if place == 0 {
                    with_path_length(c, 0)
                }
            })
        }),
        whole("path-length-of-the-root-exceeded", rule, refuse("Path"), |_| {
            depth_with(1, |place, c| {
                if place == 0 {
                    with_path_length(c, 0)
                }
            })
        }),
    ]
}

fn order() -> Vec<Case> {
    let rule = "X509-SVID 5.1 names";
    vec![
        whole("reversed", rule, ACCEPT, |_| {
            let mut presented = depth(3);
            presented.chain[1..].reverse();
            presented
        }),
        whole("root-at-the-end", rule, ACCEPT, |world| {
            let mut presented = world.present(world.issuing.svid());
            presented.chain.push(world.root.der.clone());
            presented
        }),
        whole("one-twice", rule, ACCEPT, |world| {
            let mut presented = world.present(world.issuing.svid());
            presented.chain.push(world.issuing.der.clone());
            presented
        }),
        whole("one-that-is-not-of-the-path", rule, ACCEPT, |world| {
            let mut presented = world.present(world.issuing.svid());
            presented.chain.push(world.other_issuing.der.clone());
            presented
        }),
        whole("one-that-is-no-authority", "Kith", refuse("NotAnAuthority"), |world| {
            let mut presented = world.present(world.issuing.svid());
            presented.chain.push(world.issuing.svid());
            presented
        }),
        whole("the-leaf-a-second-time", "X509-SVID 5.1 path", ACCEPT, |world| {
            let mut presented = world.present(world.issuing.svid());
            presented.chain.insert(1, presented.chain[0].clone());
            presented
        }),
        whole("one-that-is-no-certificate", "RFC 5280 4.1", refuse("Layout"), |world| {
            let mut presented = world.present(world.issuing.svid());
            presented.chain.push(vec![0x30, 0]);
            presented
        }),
        whole("leaf-last", "X509-SVID 3.2 no-authentication", refuse("LeafIsAuthority"), |world| {
            let mut presented = world.present(world.issuing.svid());
            presented.chain.reverse();
            presented
        }),
    ]
}

/// Several certificates could be the one above.
fn ambiguous() -> Vec<Case> {
    let rule = "X509-SVID 5.1 names";
    vec![
        whole("two-of-one-name", rule, ACCEPT, |world| {
            let (wrong, right) = (world.root.issuing("issuing"), world.root.issuing("issuing"));
            Presented::new(vec![right.svid(), wrong.der, right.der], &world.root.der)
        }),
        whole("three-of-one-name", rule, ACCEPT, |world| of_one_name(world, 3)),
        whole("seven-of-one-name", "Kith", refuse("SameName"), |world| of_one_name(world, 7)),
        whole("signed-by-two-roots", rule, ACCEPT, |world| {
            let key = Key::p256();
            let certificate = Certificate::authority("issuing", key);
            let (ours, theirs) = (world.root.sign(&certificate), world.other_root.sign(&certificate));
            let leaf = Certificate::leaf(WEB, Key::p256()).signed_by(&name("issuing"), key);
            Presented::new(vec![leaf, theirs, ours], &world.root.der)
        }),
        whole("signed-in-a-circle", "X509-SVID 5.1 path", refuse("UnknownAuthority"), |world| {
            let (one, two) = (Key::p256(), Key::p256());
            let first = Certificate::authority("first", one).signed_by(&name("second"), two);
            let second = Certificate::authority("second", two).signed_by(&name("first"), one);
            let leaf = Certificate::leaf(WEB, Key::p256()).signed_by(&name("first"), one);
            Presented::new(vec![leaf, first, second], &world.root.der)
        }),
        whole(
            "one-of-the-right-name-and-a-wrong-key",
            "X509-SVID 5.1 signature",
            refuse("UnknownAuthority"),
            |world| {
                let impostor = world.other_root.issuing("issuing");
                Presented::new(vec![world.issuing.svid(), impostor.der], &world.root.der)
            },
        ),
    ]
}

/// A leaf below the last of so many issuing authorities of one name.
fn of_one_name(world: &super::World, count: usize) -> Presented {
    let issuing: Vec<Signer> = (0..count).map(|_| world.root.issuing("issuing")).collect();
    let mut chain = vec![issuing[count - 1].svid()];
    chain.extend(issuing.into_iter().map(|signer| signer.der));
    Presented::new(chain, &world.root.der)
}
