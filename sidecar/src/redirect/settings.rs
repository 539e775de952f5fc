//! What the injector tells the step, in its environment. Everything that is missing or not understood is refused: a
//! pod whose exceptions cannot be read is not redirected by guesses.

use std::net::IpAddr;

use clap::Parser;
use kith_proto::pod::{self, NoPodIps, Redirect};

/// What the command line and the environment say.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "kith-redirect",
    version,
    about = "Redirects the TCP of a pod through its sidecar, before anything else runs in it"
)]
pub struct Args {
    /// Take the redirect away again
    #[arg(long, conflicts_with = "print")]
    pub remove: bool,

    /// Show the rules and change nothing
    #[arg(long)]
    pub print: bool,

    /// What is not to be redirected; {} for no exception
    #[arg(long, env = pod::REDIRECT_VARIABLE, value_name = "JSON")]
    pub redirect: Option<String>,

    /// The addresses of the pod, with commas between them
    #[arg(long, env = pod::POD_IPS_VARIABLE, value_name = "ADDRESSES")]
    pub pod_ips: Option<String>,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Nothing says what is to be redirected.
    #[error("KITH_REDIRECT is missing; the injector writes it into every pod of the mesh")]
    NoRedirect,
    /// What is to be redirected cannot be read.
    #[error("KITH_REDIRECT is not what this version understands")]
    Redirect(#[source] serde_json::Error),
    /// Nothing says which addresses the pod has.
    #[error("KITH_POD_IPS is missing; the injector takes it from status.podIPs")]
    NoPodIps,
    /// The addresses cannot be read.
    #[error("KITH_POD_IPS")]
    PodIps(#[source] NoPodIps),
}

impl Args {
    pub(super) fn redirect(&self) -> Result<Redirect, SettingsError> {
        let text = self.redirect.as_deref().ok_or(SettingsError::NoRedirect)?;
        // A list would be taken for the fields in their order, which nobody writes on purpose.
        if !text.trim_start().starts_with('{') {
            return Err(SettingsError::Redirect(serde::de::Error::custom("it is not a JSON object")));
        }
        serde_json::from_str(text).map_err(SettingsError::Redirect)
    }

    pub(super) fn pod_ips(&self) -> Result<Vec<IpAddr>, SettingsError> {
        let text = self.pod_ips.as_deref().ok_or(SettingsError::NoPodIps)?;
        pod::pod_ips(text).map_err(SettingsError::PodIps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(redirect: Option<&str>, pod_ips: Option<&str>) -> Args {
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        Args { remove: false, print: false, redirect: owned(redirect), pod_ips: owned(pod_ips) }
    }

    #[test]
    fn settings_that_are_missing_are_named() {
        let none = args(None, None);
        assert!(none.redirect().unwrap_err().to_string().starts_with("KITH_REDIRECT is missing"));
        assert!(none.pod_ips().unwrap_err().to_string().starts_with("KITH_POD_IPS is missing"));
    }

    #[test]
    fn settings_that_are_not_understood_are_refused_and_not_guessed_at() {
        // K8
        for redirect in [
            "",
            "null",
            "[]",
            r#"{"skipInbound":"80"}"#,
            r#"{"skipInbound":["0"]}"#,
            r#"{"skipInbound":["80; flush ruleset"]}"#,
            r#"{"skipUdp":[]}"#,
            r#"{"quic":"Refused"}"#,
            r#"{"quic":"Allow","quic":"Allow"}"#,
            "{} {}",
        ] {
            assert!(args(Some(redirect), None).redirect().is_err(), "{redirect}");
        }
        assert!(args(None, Some("10.0.0.7;")).pod_ips().is_err());
    }
}
