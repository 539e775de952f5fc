//! Whose code is linked: licences, one version of what must be one, and packages that stay out.

use crate::graph::graph;

/// Licences that ask for no more than a notice.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages whose licence is not in the list, each with the reason why it may stay. None so far.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// Packages that stay out, each with the reason.
const BANNED: &[(&str, &str)] = &[
    ("ring", "one cryptographic library is enough to trust, and it is aws-lc"),
    ("rsa", "RUSTSEC-2023-0071: its private-key operations leak through time"),
    ("openssl", "links the machine's own library, so two machines would run two meshes"),
    ("openssl-sys", "links the machine's own library, so two machines would run two meshes"),
    ("native-tls", "another TLS stack, with other rules"),
];

/// Packages of which two versions would mean two registries, two runtimes or two types of one name.
const ONE_VERSION: &[&str] = &["rustls", "aws-lc-rs", "hyper", "tokio", "tonic", "prost"];

#[test]
fn every_licence_is_one_that_we_may_ship() {
    let mut wrong = Vec::new();
    for package in graph().built() {
        let licence = package.license.as_deref().unwrap_or("none is named");
        let excepted = EXCEPTIONS.iter().any(|(name, _)| package.name == *name);
        if !excepted && !may_ship(licence) {
            wrong.push(format!("{} {}: {licence}", package.name, package.version));
        }
    }
    assert!(wrong.is_empty(), "not in the list of licences: {wrong:#?}");
}

#[test]
fn banned_packages_are_not_built() {
    for (banned, reason) in BANNED {
        let found = graph().built().into_iter().find(|it| it.name == *banned);
        assert!(
            found.is_none(),
            "{banned} is built, although {reason}; `cargo tree -i {banned}` says for whom"
        );
    }
}

#[test]
fn what_must_be_one_is_there_in_one_version() {
    for name in ONE_VERSION {
        let versions: Vec<String> =
            graph().built().iter().filter(|it| it.name == *name).map(|it| it.version.to_string()).collect();
        assert_eq!(versions.len(), 1, "{name}: {versions:?}");
    }
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    for yes in
        ["MIT", "MIT/Apache-2.0", "GPL-3.0-only OR MIT", "(MIT OR GPL-2.0) AND ISC", "MIT OR GPL-2.0 AND ISC"]
    {
        assert!(may_ship(yes), "{yes}");
    }
    for no in [
        "GPL-3.0-only",
        "MIT AND GPL-3.0-only",
        "(GPL-2.0 OR MPL-2.0) AND MIT",
        "",
        "MIT OR",
        "(MIT",
        "MIT ISC",
    ] {
        assert!(!may_ship(no), "{no}");
    }
}

/// Whether an SPDX expression can be met with allowed licences alone. One that cannot be read cannot be met.
fn may_ship(expression: &str) -> bool {
    // `/` is how crates wrote OR before expressions existed.
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    match any_of(&tokens) {
        Some((met, [])) => met,
        _ => false,
    }
}

/// What was read, and what is left to read.
type Reading<'a> = Option<(bool, &'a [&'a str])>;

fn any_of<'a>(tokens: &'a [&'a str]) -> Reading<'a> {
    let (mut met, mut rest) = all_of(tokens)?;
    while let ["OR", after @ ..] = rest {
        let (next, left) = all_of(after)?;
        (met, rest) = (met || next, left);
    }
    Some((met, rest))
}

fn all_of<'a>(tokens: &'a [&'a str]) -> Reading<'a> {
    let (mut met, mut rest) = one(tokens)?;
    while let ["AND", after @ ..] = rest {
        let (next, left) = one(after)?;
        (met, rest) = (met && next, left);
    }
    Some((met, rest))
}

fn one<'a>(tokens: &'a [&'a str]) -> Reading<'a> {
    match tokens {
        ["(", inside @ ..] => match any_of(inside)? {
            (met, [")", rest @ ..]) => Some((met, rest)),
            _ => None,
        },
        [licence, "WITH", exception, rest @ ..] => {
            Some((ALLOWED.contains(&format!("{licence} WITH {exception}").as_str()), rest))
        }
        [")" | "OR" | "AND" | "WITH", ..] | [] => None,
        [licence, rest @ ..] => Some((ALLOWED.contains(licence), rest)),
    }
}
