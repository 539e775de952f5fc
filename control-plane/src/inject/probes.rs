//! The kubelet's questions, pointed at the sidecar. It asks from the node, without an identity, and would be refused;
//! so it asks the sidecar's own port, and the sidecar asks the application as the pod's author wrote it. Owns which
//! questions are pointed elsewhere, what is remembered of them, and which stay:
//!
//! * `exec` and `sleep` reach no port;
//! * one with a `host` of its own is meant for somebody else than the pod;
//! * one to a port that is reached without the sidecar reaches it as before.
//!
//! A probe without any timing keeps none: every field but the question itself stays.
//!
//! The port is open to whoever reaches the pod. Liveness, readiness and startup are questions, and may be asked by
//! anybody; lifecycle hooks are orders, and their paths have a nonce ([`HookNonce`]): `app/pre-stop/<32 digits>`.

use kith_proto::pod::{HEALTH_PORT, PROBE_PATH, PortRange, Probe, ProbeAction, Probes};
use serde_json::{Map, Value, json};

use super::at::At;
use super::hook_nonce::HookNonce;
use super::refusal::Refusal;
use super::rules::check_port;

/// The field of a container, and how the path that is asked names it.
const PROBES: [(&str, &str); 3] =
    [("livenessProbe", "liveness"), ("readinessProbe", "readiness"), ("startupProbe", "startup")];
const HANDLERS: [(&str, &str); 2] = [("postStart", "post-start"), ("preStop", "pre-stop")];
/// Kubernetes waits for a postStart handler as long as it takes.
const POST_START_SECONDS: u32 = 3600;
/// What a pod has to stop in, when it does not say.
const GRACE_SECONDS: u32 = 30;

/// What is known before the first container is looked at.
#[derive(Debug)]
pub(super) struct Rewriting<'a> {
    /// Of the injection before.
    pub(super) previous: &'a Probes,
    /// Ports that are reached without the sidecar.
    pub(super) skipped: &'a [PortRange],
    /// What a preStop handler may take.
    pub(super) grace_seconds: u32,
    /// For hooks that have none yet.
    pub(super) nonce: HookNonce,
}

/// How the sidecar is asked: the path below [`PROBE_PATH`].
#[derive(Debug)]
struct Key {
    /// `app/liveness`, `app/pre-stop`.
    stem: String,
    /// A hook's.
    nonce: Option<HookNonce>,
}

impl Key {
    /// As it is written for the first time.
    fn anew(&self) -> String {
        match self.nonce {
            Some(nonce) => format!("{}/{}", self.stem, nonce.digits()),
            None => self.stem.clone(),
        }
    }

    /// Whether an earlier injection may have written this one. There were hooks without a nonce once.
    fn may_be(&self, found: &str) -> bool {
        match found.strip_prefix(&self.stem) {
            Some("") => true,
            Some(rest) => self.nonce.is_some() && rest.strip_prefix('/').is_some_and(HookNonce::is_one),
            None => false,
        }
    }

    /// What becomes of one that was found: a nonce stays, or a pod would never be done.
    fn after(&self, found: &str) -> String {
        if found == self.stem { self.anew() } else { found.to_owned() }
    }
}

impl<'a> Rewriting<'a> {
    pub(super) fn new(
        spec: &At<'_>,
        previous: &'a Probes,
        skipped: &'a [PortRange],
        nonce: HookNonce,
    ) -> Result<Self, Refusal> {
        let grace = spec.get("terminationGracePeriodSeconds").number()?;
        let grace_seconds =
            grace.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(GRACE_SECONDS).max(1);
        Ok(Self { previous, skipped, grace_seconds, nonce })
    }

    /// The container with its questions pointed at the sidecar; what they were is put into `asked`.
    pub(super) fn container(&self, found: &At<'_>, asked: &mut Probes) -> Result<Value, Refusal> {
        let mut container = found.value().clone();
        let name = found.get("name").text()?.unwrap_or_default();
        for (field, kind) in PROBES {
            let probe = found.get(field);
            let seconds =
                probe.get("timeoutSeconds").number()?.and_then(|seconds| u32::try_from(seconds).ok());
            let key = Key { stem: format!("{name}/{kind}"), nonce: None };
            if let Some(handler) = self.handler(&probe, found, &key, seconds.unwrap_or(1).max(1), asked)? {
                container[field] = handler;
            }
        }
        let lifecycle = found.get("lifecycle");
        for (field, kind) in HANDLERS {
            let seconds = if field == "preStop" { self.grace_seconds } else { POST_START_SECONDS };
            // Kubernetes does not open connections for handlers, whatever stands there.
            let handler = lifecycle.get(field);
            if handler.get("httpGet").is_absent() {
                continue;
            }
            let key = Key { stem: format!("{name}/{kind}"), nonce: Some(self.nonce) };
            if let Some(handler) = self.handler(&handler, found, &key, seconds, asked)? {
                container["lifecycle"][field] = handler;
            }
        }
        Ok(container)
    }

    /// The same with its question replaced; `None` when it stays as it is.
    fn handler(
        &self,
        handler: &At<'_>,
        container: &At<'_>,
        key: &Key,
        timeout_seconds: u32,
        asked: &mut Probes,
    ) -> Result<Option<Value>, Refusal> {
        let Some(fields) = handler.object()? else { return Ok(None) };
        let (key, probe) = if let Some(found) = pointed_at_us(fields).filter(|found| key.may_be(found)) {
            // Its question was replaced before.
            let before = self.previous.get(found).cloned();
            let lost =
                "it asks the sidecar, and nobody knows any more what it asked before; write the original";
            let before = before.ok_or_else(|| handler.get("httpGet").refuse(lost))?;
            (key.after(found), Probe { timeout_seconds, ..before })
        } else {
            match self.action(handler, container)? {
                Some(action) => (key.anew(), Probe { action, timeout_seconds }),
                None => return Ok(None),
            }
        };
        let mut fields = fields.clone();
        fields.retain(|name, _| !["httpGet", "tcpSocket", "grpc"].contains(&name.as_str()));
        fields.insert("httpGet".to_owned(), question(&key));
        asked.insert(key, probe);
        Ok(Some(Value::Object(fields)))
    }

    /// What it asks, when the sidecar has to ask it.
    fn action(&self, handler: &At<'_>, container: &At<'_>) -> Result<Option<ProbeAction>, Refusal> {
        let (http, tcp, grpc) = (handler.get("httpGet"), handler.get("tcpSocket"), handler.get("grpc"));
        let place = match (http.is_absent(), tcp.is_absent(), grpc.is_absent()) {
            (false, true, true) => &http,
            (true, false, true) => &tcp,
            (true, true, false) => &grpc,
            (true, true, true) => return Ok(None),
            _ => return Err(handler.refuse("it asks two things at once; leave one of them")),
        };
        if place.get("host").text()?.is_some_and(|host| !host.is_empty()) {
            return Ok(None);
        }
        let port = port(&place.get("port"), container)?;
        if self.skipped.iter().any(|skipped| skipped.has(port)) {
            return Ok(None);
        }
        Ok(Some(if !tcp.is_absent() {
            ProbeAction::Tcp { port }
        } else if !grpc.is_absent() {
            ProbeAction::Grpc { port, service: grpc.get("service").text()?.unwrap_or_default().to_owned() }
        } else {
            http_action(&http, port)?
        }))
    }
}

fn http_action(http: &At<'_>, port: u16) -> Result<ProbeAction, Refusal> {
    let scheme = http.get("scheme");
    let https = match scheme.text()? {
        None | Some("" | "HTTP") => false,
        Some("HTTPS") => true,
        Some(_) => return Err(scheme.refuse("write HTTP or HTTPS")),
    };
    let header = |header: &At<'_>| {
        let text = |name| Ok(header.get(name).text()?.unwrap_or_default().to_owned());
        Ok((text("name")?, text("value")?))
    };
    let headers = http.get("httpHeaders").list()?.iter().map(header).collect::<Result<_, Refusal>>()?;
    let path = http.get("path").text()?.filter(|path| !path.is_empty()).unwrap_or("/").to_owned();
    Ok(ProbeAction::Http { port, path, https, headers })
}

/// By number, or by the name of a port of the same container; as a last resort the kubelet takes the name for a number.
fn port(place: &At<'_>, container: &At<'_>) -> Result<u16, Refusal> {
    let number = match place.value() {
        Value::String(name) => match named(name, container)? {
            Some(number) => number,
            None => name.parse().map_err(|_| {
                place.refuse("no port of this container has that name; declare it, or write the number")
            })?,
        },
        _ => place.number()?.unwrap_or_default(),
    };
    check_port(place, number)?;
    match u16::try_from(number) {
        Ok(port) if port > 0 => Ok(port),
        _ => Err(place.refuse("a port is a number from 1 to 65535")),
    }
}

fn named(name: &str, container: &At<'_>) -> Result<Option<i64>, Refusal> {
    match container.get("ports").named(name)? {
        Some(port) => port.get("containerPort").number(),
        None => Ok(None),
    }
}

fn question(key: &str) -> Value {
    json!({"path": format!("{PROBE_PATH}{key}"), "port": HEALTH_PORT, "scheme": "HTTP"})
}

/// What it asks the sidecar by, if it does.
fn pointed_at_us(fields: &Map<String, Value>) -> Option<&str> {
    let http = fields.get("httpGet")?;
    let path = http.get("path")?.as_str()?.strip_prefix(PROBE_PATH)?;
    (*http.get("port")? == HEALTH_PORT).then_some(path)
}
