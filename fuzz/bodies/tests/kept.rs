//! Every kept input, whole and mutated, through its body: what `make fuzz` looks for over hours, this holds in each run.

use std::fs;
use std::path::{Path, PathBuf};

use kith_fuzz::BODIES;

/// How many mutations each input gets.
const MUTATIONS: u64 = 1000;
/// An input above gets fewer, so that all inputs cost about the same.
const LARGE: usize = 4096;

#[test]
fn every_kept_input_and_its_mutations_keep_the_properties() {
    for (target, body) in BODIES {
        let mut accepted = Vec::new();
        for (number, file) in (1..).zip(inputs(target)) {
            let input = fs::read(&file).unwrap();
            accepted.push(body(&input));
            let mutations = MUTATIONS * LARGE as u64 / input.len().max(LARGE) as u64;
            let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ number);
            for _ in 0..mutations {
                body(&mutated(&input, &mut random));
            }
        }
        assert!(accepted.contains(&true), "{target}: nothing is accepted, so little was looked at");
    }
}

#[test]
fn every_body_has_inputs_and_a_target_and_every_target_a_body() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz_targets");
    let mut targets: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    targets.sort();
    let bodies: Vec<&str> = BODIES.iter().map(|(target, _)| *target).collect();
    assert_eq!(targets, bodies);
    for target in bodies {
        assert!(inputs(target).len() >= 2, "{target} starts from nothing");
    }
}

/// The kept inputs of a target, in the order of their names.
fn inputs(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be listed").path()).collect();
    files.sort();
    files
}

/// A small generator with a fixed seed: what fails once fails again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("below a usize")
    }

    fn byte(&mut self) -> u8 {
        self.next().to_be_bytes()[7]
    }
}

/// Bytes with a meaning to one of the parsers.
const TELLING: &[u8] = b"\0\x30\x86\xff./:\"{}%-";

/// One to four small changes: of a bit, a byte, a piece left out, repeated or put in, or the end.
fn mutated(input: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(8)).min(bytes.len());
        match random.below(7) {
            _ if bytes.is_empty() => bytes.push(random.byte()),
            0 | 1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes[at] = random.byte(),
            3 => drop(bytes.drain(at..end)),
            4 => bytes.extend_from_within(at..end),
            5 => bytes.insert(at, TELLING[random.below(TELLING.len())]),
            _ => bytes.truncate(at),
        }
    }
    bytes
}
