//! The first bytes of a connection: read in one piece or in many, a hello says the same.

use kith_mtls::{HelloReader, NoHello, Offered};

/// A hello, whole and byte by byte.
pub fn hello(data: &[u8]) -> bool {
    let whole = read(data, data.len());
    let small = read(data, 1);
    let (Ok(Some(whole)), Ok(Some(small))) = (whole, small) else { return false };
    assert_eq!(whole, small, "however it comes");
    true
}

fn read(data: &[u8], piece: usize) -> Result<Option<Offered>, NoHello> {
    let mut reader = HelloReader::default();
    for piece in data.chunks(piece.max(1)) {
        match reader.read(piece) {
            Ok(None) => {}
            answer => return answer,
        }
    }
    Ok(None)
}
