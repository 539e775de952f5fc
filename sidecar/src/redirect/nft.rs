//! How the kernel is told: `nft`, found at one place, given an empty environment and the script on its stdin. Decides
//! nothing about what the script says.

use std::io::{ErrorKind, Write as _};
use std::process::{Command, ExitStatus, Stdio};

use super::capability::{CapabilityError, keep_net_admin_alone};
use super::script::TABLE;

/// Never looked up on a `PATH`: what runs with a capability is named.
const NFT: &str = "/usr/sbin/nft";

/// Why `nft` did not do it.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// It did not start, or did not take its script.
    #[error("cannot run {NFT}; it is part of the image of the sidecar")]
    Run(#[source] std::io::Error),
    /// The kernel, or `nft`, did not accept what it was told.
    #[error(
        "nft ended with {status}: {said}; the step needs NET_ADMIN in the pod's own network, and the node's kernel \
         nftables with nat for both families (nft_chain_nat, nft_redir)"
    )]
    Refused {
        /// How it ended.
        status: ExitStatus,
        /// What it wrote, in one line.
        said: String,
    },
}

/// The right to run it.
pub(super) struct Nft(());

impl Nft {
    /// Makes sure of the capability, and that it is the only one.
    pub(super) fn permitted() -> Result<Self, CapabilityError> {
        keep_net_admin_alone().map(|()| Self(()))
    }

    /// Runs a script as one transaction: all of it takes effect, or nothing.
    pub(super) fn run(&self, script: &str) -> Result<(), NftError> {
        self.nft(&["-f", "-"], script).map(|_| ())
    }

    /// The table as the kernel has it. In numbers: names differ between versions of `nft`, and between images.
    pub(super) fn list(&self) -> Result<String, NftError> {
        self.nft(&["--numeric", "list", "table", "inet", TABLE], "")
    }

    fn nft(&self, arguments: &[&str], input: &str) -> Result<String, NftError> {
        let mut nft = Command::new(NFT)
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(NftError::Run)?;
        // It reads its script to the end before it answers, so neither waits for the other.
        let written = nft.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(input.as_bytes()));
        let output = nft.wait_with_output().map_err(NftError::Run)?;
        if !output.status.success() {
            let said = one_line(&String::from_utf8_lossy(&output.stderr));
            return Err(NftError::Refused { status: output.status, said });
        }
        match written {
            // One that has no use for its stdin may have ended before.
            Err(error) if !(error.kind() == ErrorKind::BrokenPipe && input.is_empty()) => {
                Err(NftError::Run(error))
            }
            _ => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        }
    }
}

/// What `nft` says has the wrong line and carets below it; a log has one line.
fn one_line(text: &str) -> String {
    let told = text.lines().map(str::trim).filter(|line| line.chars().any(char::is_alphanumeric));
    let told = told.collect::<Vec<_>>().join(" | ");
    if told.is_empty() { "it said nothing".to_owned() } else { told.chars().take(400).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nft_says_is_told_in_one_line_without_its_carets() {
        let said = "/dev/stdin:4:3-9: Error: No such file or directory\n\t\tredirect\n\t\t^^^^^^^^\n";
        assert_eq!(one_line(said), "/dev/stdin:4:3-9: Error: No such file or directory | redirect");
        assert_eq!(one_line(" \n^^\n"), "it said nothing");
        assert_eq!(one_line(&"x".repeat(5_000)).len(), 400);
    }
}
