//! What is redirected, as a script for `nft`: the pure half of the step. Every rule says why it is there, also to
//! whoever runs `kith-redirect --print`.
//!
//! ```text
//! a container ──► output ──┬─ loopback, skipped ports: as they are
//!                          └─ all other TCP ──────────────► sidecar, outbound
//! the sidecar ──► output ──► own ──┬─ to its own pod ─────► sidecar, inbound
//!                                  └─ everything else: as it is
//! from outside ─► prerouting ──┬─ health, skipped ports: as they are
//!                              └─ all other TCP ──────────► sidecar, inbound
//! ```

use kith_proto::pod::{HEALTH_PORT, INBOUND_PORT, OUTBOUND_PORT, PortRange, Quic, Redirect, SIDECAR_UID};

/// Everything lies in one table of our own: nobody else's rules are touched, and removing is one command.
pub(super) const TABLE: &str = "kith";

/// Takes the redirect away. Adding the table first makes it succeed when there is none.
pub(super) const REMOVE: &str = "add table inet kith\ndelete table inet kith\n";

/// By its number: a lean image has no /etc/protocols, and without it `nft` lists the number whatever was written.
const TCP: &str = "meta l4proto 6";

/// Answered in the container itself, and not worth a detour.
const LOOPBACK_V4: &str = "what a container says to itself or to its neighbours by loopback stays as it is";
const LOOPBACK_V6: &str =
    "the same for IPv6; mapped addresses (::ffff:127.0.0.1) are IPv4 by the time they come here";

/// All rules of a pod.
pub(super) struct Script {
    chains: Vec<Chain>,
}

struct Chain {
    name: &'static str,
    /// Where the kernel enters it; one without is entered from another chain.
    hook: Option<&'static str>,
    rules: Vec<Rule>,
}

struct Rule {
    text: String,
    why: &'static str,
}

impl Script {
    /// The rules for these settings, of IPv4 and IPv6 alike, whatever addresses the pod has: a family that it gets
    /// later is no way out (K11).
    pub(super) fn new(redirect: &Redirect) -> Self {
        let mut chains = vec![output(&redirect.skip_outbound), own(), prerouting(&redirect.skip_inbound)];
        if redirect.quic == Quic::Refuse {
            chains.extend([quic_out(), quic_in()]);
        }
        Self { chains }
    }

    /// One transaction that puts the rules in the place of those that may be there: twice is as once (K18).
    pub(super) fn transaction(&self) -> String {
        let explained = |rule: &Rule| format!("\t\t# {}\n\t\t{}\n", rule.why, rule.text);
        format!("{REMOVE}{}", self.table(explained))
    }

    /// Whether what `nft` lists is this and nothing else. How it breaks long lines is its own.
    pub(super) fn is(&self, listed: &str) -> bool {
        let table = self.table(|rule| format!("\t\t{}\n", rule.text));
        table.split_whitespace().eq(listed.split_whitespace())
    }

    fn table(&self, written: impl Fn(&Rule) -> String) -> String {
        let chains = self.chains.iter().map(|Chain { name, hook, rules }| {
            let hook = hook.map(|hook| format!("\t\ttype {hook}; policy accept;\n")).unwrap_or_default();
            let rules: String = rules.iter().map(&written).collect();
            format!("\tchain {name} {{\n{hook}{rules}\t}}\n")
        });
        let chains: Vec<_> = chains.collect();
        format!("table inet {TABLE} {{\n{}}}\n", chains.join("\n"))
    }
}

fn rule(text: impl Into<String>, why: &'static str) -> Rule {
    Rule { text: text.into(), why }
}

/// What the pod's own processes send. The priority is that of nat by its number, the only way in which every version
/// of `nft` takes it on this hook.
fn output(skip: &[PortRange]) -> Chain {
    let mut rules = vec![
        rule(
            format!("meta skuid {SIDECAR_UID} goto own"),
            "the sidecar's own connections, which would come back to it for ever",
        ),
        rule("ip daddr 127.0.0.0/8 return", LOOPBACK_V4),
        rule("ip6 daddr ::1 return", LOOPBACK_V6),
    ];
    rules.extend(skipped(skip, "ports that the pod reaches without its sidecar, by its annotation"));
    rules.push(rule(
        format!("{TCP} redirect to :{OUTBOUND_PORT}"),
        "everything else that is TCP, to any address of either family",
    ));
    Chain { name: "output", hook: Some("nat hook output priority -100"), rules }
}

/// What the sidecar sends. A session to its own pod must meet the inbound side like anybody's, or a call of the pod to
/// itself would pass no policy; delivering to the application must not. The sidecar tells them apart by the address
/// that it sends from.
fn own() -> Chain {
    let redirect = format!("{TCP} redirect to :{INBOUND_PORT}");
    let rules = vec![
        rule(
            format!("ip saddr 127.0.0.1 ip daddr != 127.0.0.0/8 {redirect}"),
            "a session to this very pod: through its inbound side, once; whatever else it sends passes",
        ),
        rule(format!("ip6 saddr ::1 ip6 daddr != ::1 {redirect}"), "the same for IPv6"),
    ];
    Chain { name: "own", hook: None, rules }
}

/// What comes from outside.
fn prerouting(skip: &[PortRange]) -> Chain {
    let mut rules = vec![
        rule(
            "iif \"lo\" return",
            "what the pod sent to itself: `output` has decided, and the kernel asks once; said, not relied on",
        ),
        rule(
            format!("tcp dport {HEALTH_PORT} return"),
            "health, metrics and replayed probes: the kubelet asks without TLS",
        ),
    ];
    rules.extend(skipped(skip, "ports of the pod that are reached without its sidecar, by its annotation"));
    rules.push(rule(
        format!("{TCP} redirect to :{INBOUND_PORT}"),
        "everything else that is TCP, whether or not somebody listens: fails closed while the sidecar is down",
    ));
    Chain { name: "prerouting", hook: Some("nat hook prerouting priority -100"), rules }
}

/// QUIC goes by the sidecar on UDP. A refusal, not silence: clients then fall back to TCP at once.
fn quic_out() -> Chain {
    let rules = vec![
        rule("ip daddr 127.0.0.0/8 return", LOOPBACK_V4),
        rule("ip6 daddr ::1 return", LOOPBACK_V6),
        rule("udp dport 443 reject", "no call leaves over QUIC"),
    ];
    Chain { name: "quic_out", hook: Some("filter hook output priority 0"), rules }
}

fn quic_in() -> Chain {
    let rules = vec![
        rule("iif \"lo\" return", "what the pod sent to itself has passed `quic_out` already"),
        rule("udp dport 443 reject", "no call comes in over QUIC"),
    ];
    Chain { name: "quic_in", hook: Some("filter hook input priority 0"), rules }
}

fn skipped(ranges: &[PortRange], why: &'static str) -> Option<Rule> {
    let ports = merged(ranges)
        .into_iter()
        .map(|(first, last)| if first == last { first.to_string() } else { format!("{first}-{last}") });
    let ports: Vec<_> = ports.collect();
    let ports = match ports.as_slice() {
        [] => return None,
        [one] => one.clone(),
        several => format!("{{ {} }}", several.join(", ")),
    };
    Some(rule(format!("tcp dport {ports} return"), why))
}

/// Sorted, and those that overlap or touch as one: `nft` refuses ranges that overlap.
fn merged(ranges: &[PortRange]) -> Vec<(u16, u16)> {
    let mut sorted = ranges.to_vec();
    sorted.sort_unstable();
    sorted.iter().fold(Vec::new(), |mut merged: Vec<(u16, u16)>, range| {
        match merged.last_mut() {
            Some((_, last)) if range.first() <= last.saturating_add(1) => *last = range.last().max(*last),
            _ => merged.push((range.first(), range.last())),
        }
        merged
    })
}

#[cfg(test)]
mod tests;
