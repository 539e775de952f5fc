//! One service of the file. Owns what its fields may be, and that no two services get in each other's way.

use std::collections::{BTreeMap, BTreeSet};

use kith_identity::{SpiffeId, TrustDomain};
use kith_policy::Origin;
use kith_policy::document::DocumentError;
use kith_policy::document::yaml::{Field, Place, Text};
use kith_proto::pod::ENDPOINT_SOCKET_VARIABLE;

use super::checked;
use super::ground::Ground;
use super::raw::{Entries, RawService};
use crate::local::services::{
    App, NAME_VARIABLE, PORT_VARIABLE, Process, Protocol, ServiceSpec, address_variable, check_service_name,
    inbound_variable, url_variable,
};

/// The label that every service has, with its name.
const APP_LABEL: &str = "app";

/// What services take over from the file around them.
pub(super) struct Defaults<'a> {
    pub(super) trust_domain: &'a TrustDomain,
    pub(super) namespace: String,
}

/// A service as it was declared.
#[derive(Debug)]
pub(super) struct Declared {
    spec: ServiceSpec,
    /// The command as it is written, and where.
    command: (Vec<String>, Origin),
    env: BTreeMap<String, String>,
    cwd: Option<(String, Origin)>,
    listens: bool,
    /// The port of its address for people, when it has one.
    pub(super) front: Option<u16>,
}

impl Declared {
    pub(super) fn name(&self) -> &str {
        &self.spec.name
    }

    /// The service on this machine.
    pub(super) fn on(&self, ground: &Ground<'_>) -> Result<ServiceSpec, DocumentError> {
        let cwd = match &self.cwd {
            Some((folder, at)) => ground.existing_folder(folder, at, "cwd")?,
            None => ground.folder.to_owned(),
        };
        let (command, command_at) = &self.command;
        let argv = ground.command(command, &cwd, command_at)?;
        let mut env = ground.inherited.clone();
        env.extend(self.env.clone());
        let app = App::Process(Process { argv, env, cwd: Some(cwd), listens: self.listens });
        Ok(ServiceSpec { app, ..self.spec.clone() })
    }
}

/// Every service of the file, in its order.
pub(super) fn all(
    raw: Entries<RawService>,
    defaults: &Defaults<'_>,
    text: &Text<'_>,
) -> Result<Vec<Declared>, DocumentError> {
    let mut services: Vec<Declared> = Vec::new();
    let mut called = Vec::new();
    let (mut ports, mut identities) = (BTreeMap::new(), BTreeMap::new());
    for (name, raw) in raw.0 {
        let (name, at) = name.required("a service's name", Place::START, text)?;
        checked(check_service_name(&name), at, text)?;
        let (raw, _) = raw.required(&format!("services.{name}"), at, text)?;
        let mut reader =
            Reader { name, at, text, ports: &mut ports, identities: &mut identities, called: &mut called };
        services.push(reader.read(raw, defaults)?);
    }
    let names: BTreeSet<&str> = services.iter().map(Declared::name).collect();
    for (call, at) in &called {
        if !names.contains(call.as_str()) {
            let known = names.into_iter().collect::<Vec<_>>().join(", ");
            return Err(
                text.error(*at, format!("{call:?} is not a service of this file; there are: {known}"))
            );
        }
    }
    Ok(services)
}

/// Reads one service; knows what the others have taken.
struct Reader<'a, 't> {
    name: String,
    at: Place,
    text: &'a Text<'t>,
    ports: &'a mut BTreeMap<u16, Place>,
    identities: &'a mut BTreeMap<SpiffeId, String>,
    called: &'a mut Vec<(String, Place)>,
}

impl Reader<'_, '_> {
    fn read(&mut self, raw: RawService, defaults: &Defaults<'_>) -> Result<Declared, DocumentError> {
        let command = self.command(raw.run)?;
        let (port, expose) = (self.port("port", raw.port)?, self.port("expose", raw.expose)?);
        let protocol = self.protocol(raw.protocol)?;
        let calls = self.calls(raw.calls)?;
        let workload_api = raw.workload_api.optional("workloadApi", self.text)?.is_none_or(|(on, _)| on);
        let env = self.env(raw.env, &calls, workload_api)?;
        let mut labels = BTreeMap::from([(APP_LABEL.to_owned(), self.name.clone())]);
        labels.extend(self.entries("labels", raw.labels)?.into_iter().map(|(key, value, _)| (key, value)));
        let text = self.text;
        let cwd = raw.cwd.optional("cwd", text)?.map(|(cwd, at)| (cwd, text.origin(at)));
        let namespace = raw.namespace.optional("namespace", text)?;
        let account = raw.service_account.optional("serviceAccount", text)?;
        let at = account.as_ref().or(namespace.as_ref()).map_or(self.at, |(_, at)| *at);
        let spec = ServiceSpec {
            name: self.name.clone(),
            namespace: namespace.map_or_else(|| defaults.namespace.clone(), |(namespace, _)| namespace),
            service_account: account.map_or_else(|| self.name.clone(), |(account, _)| account),
            labels,
            app: App::Process(Process::default()),
            calls,
            port: expose.or(port).unwrap_or(0),
            protocol,
            workload_api,
        };
        let identity = checked(spec.identity(defaults.trust_domain), at, text)?;
        if let Some(other) = self.identities.insert(identity.clone(), self.name.clone()) {
            let message = format!(
                "{identity} is the identity of {other} already; give this service a serviceAccount of its own"
            );
            return Err(text.error(at, message));
        }
        let listens = expose.is_some() || port.is_some();
        let front = expose.or(port).filter(|&port| port != 0 && protocol != Protocol::Tcp);
        Ok(Declared { spec, command, env, cwd, listens, front })
    }

    fn command(&self, run: Field<Vec<Field<String>>>) -> Result<(Vec<String>, Origin), DocumentError> {
        let (words, at) = run.required(&format!("services.{}.run", self.name), self.at, self.text)?;
        let words = self.words("an argument", words)?;
        match words.first() {
            Some((program, at)) if !program.is_empty() => {
                let at = self.text.origin(*at);
                Ok((words.into_iter().map(|(word, _)| word).collect(), at))
            }
            _ => Err(self.text.error(at, "the command is empty; write [PROGRAM, ARGUMENT, ...]")),
        }
    }

    /// A port that no other service of this file has; 0 is any.
    fn port(&mut self, field: &str, port: Field<u16>) -> Result<Option<u16>, DocumentError> {
        let Some((port, at)) = port.optional(field, self.text)? else { return Ok(None) };
        match self.ports.insert(port, at) {
            Some(first) if port != 0 => {
                let message =
                    format!("port {port} is taken already, in line {}; choose another one", first.line);
                Err(self.text.error(at, message))
            }
            _ => Ok(Some(port)),
        }
    }

    fn protocol(&self, protocol: Field<String>) -> Result<Protocol, DocumentError> {
        match protocol.optional("protocol", self.text)? {
            None => Ok(Protocol::Detect),
            Some((name, _)) if name == "http" => Ok(Protocol::Http),
            Some((name, _)) if name == "tcp" => Ok(Protocol::Tcp),
            Some((name, at)) => {
                let message =
                    format!("unknown protocol {name:?}; write http or tcp, or leave it out to detect it");
                Err(self.text.error(at, message))
            }
        }
    }

    fn calls(&mut self, calls: Field<Vec<Field<String>>>) -> Result<Vec<String>, DocumentError> {
        let Some((calls, _)) = calls.optional("calls", self.text)? else { return Ok(Vec::new()) };
        let mut seen = Vec::new();
        for (call, at) in self.words("a call", calls)? {
            if seen.contains(&call) {
                return Err(self.text.error(at, format!("{call:?} is called twice; once is enough")));
            }
            self.called.push((call.clone(), at));
            seen.push(call);
        }
        Ok(seen)
    }

    /// The application's own variables; not those by which it finds its place in the mesh.
    fn env(
        &self,
        env: Field<Entries<String>>,
        calls: &[String],
        workload_api: bool,
    ) -> Result<BTreeMap<String, String>, DocumentError> {
        let ours = |key: &str| {
            key == PORT_VARIABLE
                || key == NAME_VARIABLE
                || (workload_api && key == ENDPOINT_SOCKET_VARIABLE)
                || calls.iter().any(|call| {
                    [url_variable(call), address_variable(call), inbound_variable(call)]
                        .iter()
                        .any(|it| it == key)
                })
        };
        let entries = self.entries("env", env)?;
        let wrong = entries.iter().find_map(|(key, _, at)| {
            if ours(key) {
                return Some((format!("{key} is set by kith; choose another name"), *at));
            }
            let name = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
                && !key.starts_with(|c: char| c.is_ascii_digit());
            (!name).then(|| {
                (format!("{key:?} names no variable; write [A-Z0-9_], not starting with a digit"), *at)
            })
        });
        match wrong {
            Some((message, at)) => Err(self.text.error(at, message)),
            None => Ok(entries.into_iter().map(|(key, value, _)| (key, value)).collect()),
        }
    }

    /// Keys and values, with the places of the keys.
    fn entries(
        &self,
        field: &str,
        entries: Field<Entries<String>>,
    ) -> Result<Vec<(String, String, Place)>, DocumentError> {
        let Some((Entries(entries), at)) = entries.optional(field, self.text)? else { return Ok(Vec::new()) };
        let mut read = Vec::new();
        for (key, value) in entries {
            let (key, at) = key.required(&format!("a key of {field}"), at, self.text)?;
            if key.is_empty() {
                return Err(self.text.error(at, format!("a key of {field} is empty")));
            }
            let (value, value_at) = value.required(&format!("{field}.{key}"), at, self.text)?;
            self.no_zero(&value, value_at)?;
            read.push((key, value, at));
        }
        Ok(read)
    }

    fn words(&self, what: &str, words: Vec<Field<String>>) -> Result<Vec<(String, Place)>, DocumentError> {
        let read = words.into_iter().map(|word| {
            let (word, at) = word.required(what, self.at, self.text)?;
            self.no_zero(&word, at)?;
            Ok((word, at))
        });
        read.collect()
    }

    /// No process can be given a text with a zero in it.
    fn no_zero(&self, value: &str, at: Place) -> Result<(), DocumentError> {
        if value.contains('\0') {
            return Err(self.text.error(at, "a zero byte cannot be passed to a process; remove it"));
        }
        Ok(())
    }
}
