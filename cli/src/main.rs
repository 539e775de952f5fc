//! The `kith` command; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    kith::run(std::env::args_os()).into()
}
