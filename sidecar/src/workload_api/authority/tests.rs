//! Requests as others write them, whole and in pieces.

use super::*;

/// What grpcio 1.85 sends for a socket at this path, up to the field behind the authority.
const PATH: &[u8] = b"@\x05:path /SpiffeWorkloadAPI/FetchX509SVID";
const OF_C_CORE: &[u8] = b"@\n:authority\x10tmp%2Fp-cap.sock";
const MENDED: &[u8] = b"@\n:authority\x10tmp.2Fp-cap.sock";

fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
}

/// What a client sends first, then these frames.
fn connection(frames: &[Vec<u8>]) -> Vec<u8> {
    let settings = frame(4, 0, b"\x00\x03\x00\x00\x00%");
    [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings, &frames.concat()].concat()
}

/// The same after it was read in pieces of one size.
fn mended(bytes: &[u8], size: usize) -> Vec<u8> {
    let (mut bytes, mut frames) = (bytes.to_vec(), Frames::default());
    bytes.chunks_mut(size).for_each(|piece| frames.mend(piece));
    bytes
}

#[track_caller]
fn check(sent: &[Vec<u8>], wanted: &[Vec<u8>]) {
    let (sent, wanted) = (connection(sent), connection(wanted));
    for size in 1..=sent.len() {
        assert_eq!(mended(&sent, size), wanted, "in pieces of {size}");
    }
}

#[test]
fn the_path_of_a_socket_becomes_an_authority_however_it_arrives() {
    let fields = |authority: &[u8]| frame(1, 4, &[PATH, authority, b"\x83\x86"].concat());
    let data = || frame(0, 1, b"\0\0\0\0\x0b@\n:authority\x01%");
    check(&[fields(OF_C_CORE), data(), fields(OF_C_CORE)], &[fields(MENDED), data(), fields(MENDED)]);
}

#[test]
fn the_authority_is_found_by_its_index_too() {
    for first in [0x41, 0x01, 0x11] {
        let fields = |path: &[u8]| frame(1, 4, &[&[first, 8][..], path, PATH].concat());
        check(&[fields(b"/run/x.s")], &[fields(b".run.x.s")]);
    }
}

#[test]
fn other_fields_and_other_encodings_are_left_as_they_are() {
    let by_huffman = b"\x41\x84%%//";
    let longer_name = b"@\x0b:authority2\x01%";
    let by_far_index = b"\x7f\x80\x01\x01%\xff\x80\x01\x3f\x80\x01";
    let same = [frame(1, 4, &[PATH, by_huffman, longer_name, by_far_index, b"\x0f\x2f\x01/"].concat())];
    check(&same, &same);
}

#[test]
fn padding_priority_and_continuations_are_stepped_over() {
    let padded = |authority: &[u8]| {
        let payload = [b"\x05%%%%%", PATH, &authority[..20], b"%%%%%"].concat();
        [frame(1, PADDED | PRIORITY, &payload), frame(9, 4, &authority[20..])].concat()
    };
    check(&[padded(OF_C_CORE)], &[padded(MENDED)]);
}

#[test]
fn a_long_path_is_mended_to_its_end() {
    let fields = |byte: u8| {
        let length = [0x41, 0x7f, 0xad, 0x02]; // 127 + 45 + 2 * 128
        frame(1, 4, &[&length[..], &[byte; 428], PATH].concat())
    };
    check(&[fields(b'%')], &[fields(b'.')]);
}

#[test]
fn what_is_no_hpack_is_left_as_it_is() {
    let endless = frame(1, 4, &[&b"\x41\x7f"[..], &[0xff; 40], b"%/%/"].concat());
    let short = frame(1, 4, b"\x41");
    let beyond = frame(1, PADDED, b"\xff@\n:authority\x01%");
    let same = [endless, short, beyond];
    check(&same, &same);
}
