//! What the platform decided about injection, for every pod alike. Owns the `injector` section of the control plane's
//! configuration, and what in it cannot be; what a pod's author may decide is `annotations`' business.

use kith_identity::TrustDomain;
use kith_mtls::{KeyExchange, NoKeyExchange};
use kith_proto::pod::{HostPort, Quic};
use serde::Deserialize;
use serde_json::Value;

use super::quantity::Quantity;

/// Everything that an injected container is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub(super) trust_domain: TrustDomain,
    /// A [`HostPort`], as it was written.
    pub(super) control_plane: String,
    pub(super) key_exchange: KeyExchange,
    pub(super) injector: InjectorConfig,
    pub(super) version: String,
}

/// The `injector` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct InjectorConfig {
    /// The image with the sidecar and the redirect step.
    pub sidecar_image: String,
    /// When it is pulled.
    #[serde(default)]
    pub image_pull_policy: PullPolicy,
    /// The redirect step runs as root, with NET_ADMIN only: for runtimes that lose file capabilities.
    #[serde(default)]
    pub redirect_as_root: bool,
    /// What becomes of QUIC.
    #[serde(default)]
    pub quic: Quic,
    /// What the sidecar gets when its pod says nothing.
    #[serde(default)]
    pub resources: Resources,
    /// What the sidecar reports when its pod says nothing.
    #[serde(default)]
    pub log_level: LogLevel,
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum PullPolicy {
    /// Each time.
    Always,
    /// When the node has none.
    #[default]
    IfNotPresent,
    /// By nobody: it has to be on the node.
    Never,
}

impl PullPolicy {
    /// As Kubernetes writes it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

/// What a container asks for and what it may take.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// What it asks for.
    pub requests: Amounts,
    /// What it may take: there always is a limit.
    pub limits: Amounts,
}

/// Of each resource, how much.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Amounts {
    /// Processor time.
    pub cpu: Quantity,
    /// Memory.
    pub memory: Quantity,
}

impl Default for Resources {
    fn default() -> Self {
        let known = |text| Quantity::parse(text).expect("the constants below are amounts");
        Self {
            requests: Amounts { cpu: known("20m"), memory: known("32Mi") },
            limits: Amounts { cpu: known("1"), memory: known("256Mi") },
        }
    }
}

impl Resources {
    /// Refuses limits of nothing, which Kubernetes takes for no limit, and requests above them.
    pub(super) fn check(&self) -> Result<(), String> {
        let pairs = [
            ("cpu", &self.requests.cpu, &self.limits.cpu),
            ("memory", &self.requests.memory, &self.limits.memory),
        ];
        for (name, request, limit) in pairs {
            if limit.is_zero() {
                return Err(format!("the {name} limit is 0, which would be none; name one"));
            }
            if request.exceeds(limit) {
                let (request, limit) = (request.as_str(), limit.as_str());
                return Err(format!(
                    "the {name} request {request} is above the limit {limit}; raise the limit or lower the request"
                ));
            }
        }
        Ok(())
    }
}

/// What a process reports: a level, or `target=level` pairs with commas between them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LogLevel(String);

const LOG_LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
const MAX_LOG_LEVEL: usize = 256;

impl Default for LogLevel {
    fn default() -> Self {
        Self("warn".to_owned())
    }
}

/// Why a text names no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a log level is one of error, warn, info, debug, trace, off, or target=level pairs with commas between them"
)]
pub struct NoLogLevel;

impl LogLevel {
    /// Parses what the sidecar's reader of levels accepts.
    pub fn parse(text: &str) -> Result<Self, NoLogLevel> {
        let target = |target: &str| {
            !target.is_empty() && target.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-:".contains(&b))
        };
        let known = |part: &str| match part.split_once('=') {
            Some((name, level)) => target(name) && LOG_LEVELS.contains(&level),
            None => LOG_LEVELS.contains(&part),
        };
        let good = text.len() <= MAX_LOG_LEVEL && text.split(',').all(known);
        if good { Ok(Self(text.to_owned())) } else { Err(NoLogLevel) }
    }

    /// As it was written.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for LogLevel {
    type Error = NoLogLevel;

    fn try_from(text: String) -> Result<Self, NoLogLevel> {
        Self::parse(&text)
    }
}

/// Why nothing can be injected by these settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// A field that everything depends on is missing.
    #[error("{0} is missing; give the configuration of the control plane")]
    Missing(&'static str),
    /// A field cannot be what it is.
    #[error("{field}: {why}")]
    Wrong {
        /// The field.
        field: &'static str,
        /// What is wrong.
        why: String,
    },
}

impl Settings {
    /// The settings, checked as a whole. `control_plane` is where sidecars find it, a [`HostPort`]; `version` is written
    /// into each pod.
    pub fn new(
        trust_domain: TrustDomain,
        control_plane: &str,
        key_exchange: KeyExchange,
        injector: InjectorConfig,
        version: &str,
    ) -> Result<Self, SettingsError> {
        let wrong = |field, why: &str| Err(SettingsError::Wrong { field, why: why.to_owned() });
        if let Err(error) = HostPort::parse(control_plane) {
            return wrong("controlPlaneAddress", &error.to_string());
        }
        let image = &injector.sidecar_image;
        if image.is_empty() || image.len() > 1024 || !image.bytes().all(|b| b.is_ascii_graphic()) {
            return wrong(
                "injector.sidecarImage",
                "write the name of an image, such as registry/kith-sidecar:1.0",
            );
        }
        if let Err(why) = injector.resources.check() {
            return wrong("injector.resources", &why);
        }
        Ok(Self {
            trust_domain,
            control_plane: control_plane.to_owned(),
            key_exchange,
            injector,
            version: version.to_owned(),
        })
    }

    /// From the whole configuration of the control plane, of which only these fields are looked at: `trustDomain`,
    /// `controlPlaneAddress`, `keyExchange`, `injector`.
    pub fn of_configuration(configuration: &Value, version: &str) -> Result<Self, SettingsError> {
        let text = |field: &'static str| match configuration.get(field) {
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(_) => Err(SettingsError::Wrong { field, why: "text has to stand here".to_owned() }),
            None => Err(SettingsError::Missing(field)),
        };
        let wrong = |field| move |why: String| SettingsError::Wrong { field, why };
        let trust_domain = TrustDomain::parse(text("trustDomain")?)
            .map_err(|error| wrong("trustDomain")(error.to_string()))?;
        let chosen = configuration.get("keyExchange").map(|_| text("keyExchange")).transpose()?;
        let key_exchange =
            key_exchange(chosen).map_err(|why| SettingsError::Wrong { field: "keyExchange", why })?;
        let injector = configuration.get("injector").ok_or(SettingsError::Missing("injector"))?;
        let injector =
            InjectorConfig::deserialize(injector).map_err(|error| wrong("injector")(error.to_string()))?;
        Self::new(trust_domain, text("controlPlaneAddress")?, key_exchange, injector, version)
    }
}

/// The choice of the whole mesh; left out, the hybrid is preferred.
pub(crate) fn key_exchange(chosen: Option<&str>) -> Result<KeyExchange, String> {
    chosen.map_or_else(
        || Ok(KeyExchange::default()),
        |text| text.parse().map_err(|error: NoKeyExchange| error.to_string()),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn configuration() -> Value {
        json!({
            "trustDomain": "prod.example",
            "controlPlaneAddress": "kith-control-plane.kith.svc:7450",
            "keyExchange": "RequirePq",
            "someOther": {"section": 1},
            "injector": {
                "sidecarImage": "registry.example/kith-sidecar:1.0",
                "imagePullPolicy": "Never",
                "redirectAsRoot": true,
                "quic": "Allow",
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"cpu": 1, "memory": "1Gi"}},
                "logLevel": "info,kith_sidecar=debug",
            },
        })
    }

    #[test]
    fn the_section_of_the_chart_is_read_and_most_of_it_may_be_left_out() {
        let settings = Settings::of_configuration(&configuration(), "1.0").unwrap();
        assert_eq!(settings.injector.quic, Quic::Allow);
        assert_eq!(settings.injector.image_pull_policy.as_str(), "Never");
        assert!(settings.injector.redirect_as_root);
        assert_eq!(settings.key_exchange, KeyExchange::RequirePq);
        let mut least = configuration();
        least["injector"] = json!({"sidecarImage": "i"});
        least.as_object_mut().unwrap().remove("keyExchange");
        let settings = Settings::of_configuration(&least, "1.0").unwrap();
        assert_eq!(settings.injector.quic, Quic::Refuse);
        assert_eq!(settings.key_exchange, KeyExchange::PreferPq);
        assert_eq!(settings.injector.resources, Resources::default());
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_name() {
        for (pointer, value, named) in [
            ("/trustDomain", json!("Not A Domain"), "trustDomain"),
            ("/trustDomain", json!(1), "trustDomain"),
            ("/controlPlaneAddress", json!("nowhere"), "controlPlaneAddress"),
            ("/controlPlaneAddress", json!("$(EVIL):1"), "controlPlaneAddress"),
            ("/controlPlaneAddress", json!("host:0"), "controlPlaneAddress"),
            ("/controlPlaneAddress", json!("host:1-2"), "controlPlaneAddress"),
            // No sidecar could start with these.
            ("/controlPlaneAddress", json!("Kith-CP:7450"), "controlPlaneAddress"),
            ("/controlPlaneAddress", json!("-x:1"), "controlPlaneAddress"),
            ("/controlPlaneAddress", json!("[zz]:1"), "controlPlaneAddress"),
            ("/keyExchange", json!("require-pq"), "write PreferPq or RequirePq"),
            ("/keyExchange", json!(null), "keyExchange"),
            ("/injector/sidecarImage", json!(""), "sidecarImage"),
            ("/injector/sidecarImage", json!("x\n  privileged: true"), "sidecarImage"), // K34
            ("/injector/sidecarImag", json!("x"), "sidecarImag"),
            ("/injector/logLevel", json!("--flag"), "injector"),
            ("/injector/resources/limits/cpu", json!("0"), "cpu limit is 0"),
            ("/injector/resources/requests/memory", json!("2Gi"), "memory request 2Gi"),
            ("/injector/resources/requests/gpu", json!("1"), "gpu"),
        ] {
            let mut wrong = configuration();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            wrong.pointer_mut(parent).unwrap()[key] = value;
            let error = Settings::of_configuration(&wrong, "1.0").unwrap_err().to_string();
            assert!(error.contains(named), "{pointer}: {error}");
        }
        for field in ["trustDomain", "controlPlaneAddress", "injector"] {
            let mut wrong = configuration();
            wrong.as_object_mut().unwrap().remove(field);
            assert_eq!(Settings::of_configuration(&wrong, "1.0").unwrap_err(), SettingsError::Missing(field));
        }
    }
}
