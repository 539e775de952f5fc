//! Where the binary under test is: built by `make test` before the tests run.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().map(Path::to_path_buf).unwrap_or_default()
}

/// The `kith` that lies beside this test's own executable.
///
/// # Panics
/// When it was not built: a test that cannot run must fail, not pass.
pub fn kith_binary() -> PathBuf {
    binary("kith")
}

/// A program of the mesh that lies beside this test's own executable.
///
/// # Panics
/// When it was not built: a test that cannot run must fail, not pass.
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap_or_default();
    let found = test.ancestors().skip(1).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("no {name} binary beside {}; run: cargo build --workspace --bins", test.display());
    })
}
