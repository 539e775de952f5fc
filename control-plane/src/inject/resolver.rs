//! Whether the sidecar of a pod can find the control plane by its name. Owns what the pod says of its resolver; all its
//! containers have the same one. A sidecar that cannot find it would wait for ever, and the pod with it.

use std::net::IpAddr;

use kith_proto::pod::HostPort;

use super::at::At;
use super::refusal::Refusal;
use super::settings::Settings;

/// Refuses a pod whose resolver does not search the cluster's domains, where the control plane's name needs it.
pub(super) fn check(spec: &At<'_>, settings: &Settings) -> Result<(), Refusal> {
    let policy = spec.get("dnsPolicy");
    let advice = match policy.text()? {
        None | Some("" | "ClusterFirst" | "ClusterFirstWithHostNet") => return Ok(()),
        _ if needs_no_search(&settings.control_plane) => return Ok(()),
        Some("None") if searches(spec)? => return Ok(()),
        Some("None") => "without dnsConfig.searches",
        Some(_) => "with this resolver",
    };
    let host = &settings.control_plane;
    Err(policy.refuse(format!(
        "{advice} the sidecar cannot find the control plane, {host}; write ClusterFirst, or None with the cluster's \
         resolver in dnsConfig.nameservers and its domains in dnsConfig.searches, such as cluster.local"
    )))
}

/// An address, or a whole name, which ends with a dot.
fn needs_no_search(control_plane: &str) -> bool {
    HostPort::parse(control_plane)
        .is_ok_and(|place| place.host().ends_with('.') || place.host().parse::<IpAddr>().is_ok())
}

/// Whether any domain is searched; `.` is none.
fn searches(spec: &At<'_>) -> Result<bool, Refusal> {
    for domain in spec.get("dnsConfig").get("searches").list()? {
        if domain.text()?.is_some_and(|domain| !["", "."].contains(&domain)) {
            return Ok(true);
        }
    }
    Ok(false)
}
