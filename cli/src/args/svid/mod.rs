//! Arguments of `kith svid`, which needs no mesh of ours: it speaks the SPIFFE standards with whoever does.

mod address;
mod moment;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Subcommand};
use kith_identity::TrustDomain;

pub use self::address::{AddressError, EndpointAddress};
use super::Output;
use super::check::duration;

/// What there is to do with svids of any SPIFFE installation.
#[derive(Debug, Subcommand)]
pub enum SvidCommand {
    /// Fetch the svid and the bundles of this process from a SPIFFE Workload API
    #[command(after_help = "Example: kith svid fetch --write /run/postgres-svid --watch\n\n\
        Any Workload API will do: Kith's, SPIRE's. The key is never printed.\n\
        DIR gets svid.pem (leaf first), svid_key.pem, bundle.pem and federated/TRUST-DOMAIN.pem, which change at once; and the names of SPIFFE's Filesystem Delivery.\n\
        Exit code 69: no answer in time. 77: there is no identity for this process, or DIR is open to others.")]
    Fetch(SvidFetchArgs),
    /// Print a certificate, a chain, a JWT-SVID or a bundle, and every rule of the SPIFFE standards that it breaks
    #[command(after_help = "Example: kith svid inspect payments.example:8443 --bundle bundle.pem\n\n\
        Reads PEM and DER, JWT-SVIDs, bundles as JWKS, and maps of bundles; what it is shows by itself.\n\
        Private keys in a file are named and never printed. Of HOST:PORT the chain is read that it presents; no certificate of yours is sent there.\n\
        Exit code 2: a rule is broken, or what --bundle should verify is refused. 65: it cannot be read.")]
    Inspect(SvidInspectArgs),
}

/// Arguments of `kith svid fetch`.
#[derive(Debug, Args)]
pub struct SvidFetchArgs {
    /// The address of the Workload API: unix:///PATH or tcp://IP:PORT
    #[arg(long, env = "SPIFFE_ENDPOINT_SOCKET", value_name = "ADDRESS", value_parser = EndpointAddress::parse)]
    pub socket: EndpointAddress,
    /// Write svid, key and bundles into this folder, which nobody else may write to
    #[arg(long, value_name = "DIR")]
    pub write: Option<PathBuf>,
    /// Go on, and follow every rotation
    #[arg(long)]
    pub watch: bool,
    /// How long the first answer may take: 10s, 5m
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = patience)]
    pub timeout: Duration,
    /// How the answer is written; with --watch one object a line
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// Arguments of `kith svid inspect`.
#[derive(Debug, Args)]
pub struct SvidInspectArgs {
    /// A file, - for standard input, or HOST:PORT of something that speaks TLS
    #[arg(value_name = "FILE|HOST:PORT|-", value_parser = NonEmptyStringValueParser::new())]
    pub subject: String,
    /// Verify it as well, by these anchors: PEM, a bundle as JWKS, or a map of bundles
    #[arg(long, value_name = "FILE")]
    pub bundle: Option<PathBuf>,
    /// The trust domain whose anchors --bundle has, and the only one that is accepted; without it, the one that the
    /// certificate or the token names
    #[arg(long, value_name = "NAME", value_parser = trust_domain)]
    pub trust_domain: Option<TrustDomain>,
    /// Whom the JWT-SVID has to be for
    #[arg(long, value_name = "AUDIENCE", requires = "bundle", value_parser = NonEmptyStringValueParser::new())]
    pub audience: Option<String>,
    /// Judge by this time instead of now: 2026-11-21T10:04:07Z
    #[arg(long, value_name = "TIME", value_parser = moment::parse)]
    pub at: Option<SystemTime>,
    /// How the answer is written
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    pub output: Output,
}

/// In no time nobody answers.
fn patience(text: &str) -> Result<Duration, String> {
    let patience = duration(text)?;
    (!patience.is_zero()).then_some(patience).ok_or_else(|| "an answer takes time; 1s at least".to_owned())
}

fn trust_domain(text: &str) -> Result<TrustDomain, String> {
    TrustDomain::parse(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn fetch(line: &str) -> Result<SvidFetchArgs, clap::Error> {
        match Cli::try_parse_from(line.split(' '))?.command {
            Command::Svid(SvidCommand::Fetch(args)) => Ok(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_address_is_refused_before_anything_is_called() {
        let args = fetch("kith svid fetch --socket unix:///run/spiffe.sock --watch --timeout 1m").unwrap();
        assert_eq!(args.socket, EndpointAddress::Unix("/run/spiffe.sock".into()));
        assert_eq!((args.watch, args.timeout, args.write), (true, Duration::from_secs(60), None));
        let refused = fetch("kith svid fetch --socket /run/spiffe.sock").unwrap_err().to_string();
        assert!(refused.contains("has no scheme"), "{refused}");
    }

    #[test]
    fn what_is_no_time_or_no_trust_domain_is_refused() {
        for line in [
            "kith svid inspect",
            "kith svid inspect x --at now",
            "kith svid inspect x --trust-domain Demo.Local",
            "kith svid fetch --socket unix:///a --timeout 10",
            "kith svid fetch --socket unix:///a --timeout 0s",
        ] {
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }
}
