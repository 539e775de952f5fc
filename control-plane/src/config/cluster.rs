//! The settings of a control plane in a cluster: one file, as the chart writes it. Owns their validation; everything
//! wrong in it is told at once, by field and value, and nothing starts.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kith_ca::SealKey;
use kith_identity::TrustDomain;
use kith_mtls::KeyExchange;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{address, keep};
use crate::attest::pod_token::FromElsewhere;
use crate::inject::{InjectorConfig, Settings, key_exchange};

/// More than this is not the file that the chart wrote.
const MAX_BYTES: u64 = 256 * 1024;
/// Of the key that seals the authority's file.
const KEY_BYTES: usize = 32;
/// Design §4: an hour, between two minutes and a day; down to 20 seconds only where the install says `dev`.
const SVID_SECONDS: std::ops::RangeInclusive<u32> = 120..=86_400;
const DEV_SVID_SECONDS: std::ops::RangeInclusive<u32> = 20..=86_400;

/// What the file says, validated.
#[derive(Debug)]
pub(crate) struct ClusterConfig {
    pub(crate) trust_domain: TrustDomain,
    /// The one that this control plane is installed in.
    pub(crate) namespace: String,
    /// The authority need not outlive this process.
    pub(crate) dev: bool,
    pub(crate) svid_lifetime: Duration,
    pub(crate) state_file: PathBuf,
    /// `None` with `dev`: the key is made, and gone with the process.
    pub(crate) seal_key: Option<SealKey>,
    pub(crate) listen: SocketAddr,
    pub(crate) webhook: SocketAddr,
    /// For people: loopback, and nothing else.
    pub(crate) api: SocketAddr,
    pub(crate) health: SocketAddr,
    pub(crate) injector: Settings,
    pub(crate) token_from_elsewhere: FromElsewhere,
    pub(crate) key_exchange: KeyExchange,
}

/// Why nothing starts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClusterConfigError {
    #[error("{}: {error}", .path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("{}: has more than {MAX_BYTES} bytes", .path.display())]
    TooLarge { path: PathBuf },
    #[error("{}: {text}", .path.display())]
    Syntax { path: PathBuf, text: String },
    #[error("{}: {}", .path.display(), .wrong.join("; "))]
    Wrong { path: PathBuf, wrong: Vec<String> },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Raw {
    trust_domain: String,
    namespace: String,
    #[serde(default)]
    dev: bool,
    svid_seconds: u32,
    state_file: PathBuf,
    #[serde(default)]
    seal_key_file: Option<PathBuf>,
    listen: String,
    webhook_listen: String,
    api_listen: String,
    health_listen: String,
    control_plane_address: String,
    injector: InjectorConfig,
    #[serde(default)]
    token_from_elsewhere: FromElsewhere,
    #[serde(default)]
    key_exchange: Option<String>,
}

impl ClusterConfig {
    /// Reads the file, and the key that it names.
    pub(crate) fn read(path: &Path) -> Result<Self, ClusterConfigError> {
        let text = read_text(path)?;
        let raw: Raw = serde_saphyr::from_str(&text)
            .map_err(|error| ClusterConfigError::Syntax { path: path.to_owned(), text: error.to_string() })?;
        let mut wrong = Vec::new();
        let config = validate(raw, &mut wrong);
        config
            .filter(|_| wrong.is_empty())
            .ok_or_else(|| ClusterConfigError::Wrong { path: path.to_owned(), wrong })
    }
}

fn read_text(path: &Path) -> Result<String, ClusterConfigError> {
    let unreadable = |error| ClusterConfigError::Read { path: path.to_owned(), error };
    if fs::metadata(path).map_err(unreadable)?.len() > MAX_BYTES {
        return Err(ClusterConfigError::TooLarge { path: path.to_owned() });
    }
    fs::read_to_string(path).map_err(unreadable)
}

fn validate(raw: Raw, wrong: &mut Vec<String>) -> Option<ClusterConfig> {
    let trust_domain = TrustDomain::parse(&raw.trust_domain).map_err(|error| format!("trustDomain: {error}"));
    let trust_domain = keep(wrong, trust_domain);
    let lifetimes = if raw.dev { DEV_SVID_SECONDS } else { SVID_SECONDS };
    if !lifetimes.contains(&raw.svid_seconds) {
        let (least, most) = (lifetimes.start(), lifetimes.end());
        wrong.push(format!("svidSeconds: {} is not {least} to {most}", raw.svid_seconds));
    }
    let [listen, webhook, api, health] = [
        ("listen", &raw.listen),
        ("webhookListen", &raw.webhook_listen),
        ("apiListen", &raw.api_listen),
        ("healthListen", &raw.health_listen),
    ]
    .map(|(field, text)| keep(wrong, address(field, text)));
    if api.is_some_and(|api| !api.ip().is_loopback()) {
        let api = raw.api_listen;
        wrong.push(format!("apiListen: {api} is not a loopback address, and people are not authenticated"));
    }
    let seal_key = seal_key(raw.seal_key_file.as_deref(), raw.dev);
    let seal_key = keep(wrong, seal_key.map_err(|error| format!("sealKeyFile: {error}")));
    let key_exchange = keep(wrong, key_exchange(raw.key_exchange.as_deref()));
    let (trust_domain, key_exchange) = trust_domain.zip(key_exchange)?;
    let injector = Settings::new(
        trust_domain.clone(),
        &raw.control_plane_address,
        key_exchange,
        raw.injector,
        env!("CARGO_PKG_VERSION"),
    )
    .map_err(|error| wrong.push(error.to_string()))
    .ok();
    Some(ClusterConfig {
        trust_domain,
        namespace: raw.namespace,
        dev: raw.dev,
        svid_lifetime: Duration::from_secs(u64::from(raw.svid_seconds)),
        state_file: raw.state_file,
        seal_key: seal_key?,
        listen: listen?,
        webhook: webhook?,
        api: api?,
        health: health?,
        injector: injector?,
        token_from_elsewhere: raw.token_from_elsewhere,
        key_exchange,
    })
}

/// The key as it lies in a Secret: 32 bytes, or their 64 hexadecimal digits, with a line break or without.
fn seal_key(path: Option<&Path>, dev: bool) -> Result<Option<SealKey>, String> {
    let Some(path) = path else {
        return if dev { Ok(None) } else { Err("is missing; only `dev: true` goes without".to_owned()) };
    };
    let bytes = Zeroizing::new(fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?);
    seal_key_of(&bytes).map(Some).map_err(|error| format!("{}: {error}", path.display()))
}

/// The key of which these are the bytes. Of what is wrong with them only their number is told.
pub(crate) fn seal_key_of(bytes: &[u8]) -> Result<SealKey, String> {
    let key = read_key(bytes).ok_or_else(|| {
        let digits = KEY_BYTES * 2;
        format!(
            "{} bytes are not a key; it has {KEY_BYTES} bytes, or {digits} hexadecimal digits",
            bytes.len()
        )
    })?;
    Ok(SealKey::from_bytes(*key))
}

fn read_key(bytes: &[u8]) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    if let Ok(key) = bytes.try_into() {
        return Some(Zeroizing::new(key));
    }
    let digits = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if digits.len() != KEY_BYTES * 2 {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from(high? * 16 + low?).ok()?;
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "\
trustDomain: example.org
namespace: kith
svidSeconds: 3600
stateFile: /var/lib/kith/state
sealKeyFile: KEY
listen: '[::]:7450'
webhookListen: '[::]:7451'
apiListen: 127.0.0.1:7452
healthListen: '[::]:7454'
controlPlaneAddress: kith-control-plane.kith.svc:7450
injector:
  sidecarImage: kith.dev/kith-sidecar:0.1.0
";

    fn read(text: &str, key: &[u8]) -> Result<ClusterConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let (config, key_file) = (folder.path().join("config.yaml"), folder.path().join("key"));
        fs::write(&key_file, key).unwrap();
        fs::write(&config, text.replace("KEY", key_file.to_str().unwrap())).unwrap();
        ClusterConfig::read(&config).map_err(|error| error.to_string())
    }

    #[test]
    fn what_the_chart_writes_is_read() {
        let config = read(GOOD, &[7; 32]).unwrap();
        assert_eq!(config.svid_lifetime, Duration::from_secs(3600));
        assert_eq!((config.api.port(), config.webhook.port()), (7452, 7451));
        assert!(config.seal_key.is_some() && !config.dev);
        read(GOOD, format!("{}\n", "0a".repeat(32)).as_bytes()).unwrap();
    }

    #[test]
    fn everything_wrong_is_told_at_once_and_nothing_starts() {
        let wrong = GOOD
            .replace("example.org", "Example.org")
            .replace("3600", "20")
            .replace("127.0.0.1:7452", "0.0.0.0:7452")
            .replace("'[::]:7450'", "7450");
        let error = read(&wrong, &[7; 31]).unwrap_err();
        for part in ["trustDomain", "svidSeconds: 20 is not 120", "apiListen", "listen: \"7450\"", "31 bytes"]
        {
            assert!(error.contains(part), "{error:?} does not say {part:?}");
        }
        let unknown = read(&format!("{GOOD}trustDomian: x\n"), &[7; 32]).unwrap_err();
        assert!(unknown.contains("trustDomian"), "{unknown}");
    }

    #[test]
    fn short_svids_and_an_authority_without_a_key_are_for_dev_alone() {
        let dev = GOOD.replace("3600", "20").replace("sealKeyFile: KEY\n", "dev: true\n");
        assert!(read(&dev, b"").unwrap().seal_key.is_none());
        let error = read(&dev.replace("dev: true\n", ""), b"").unwrap_err();
        assert!(error.contains("sealKeyFile: is missing"), "{error}");
    }
}
