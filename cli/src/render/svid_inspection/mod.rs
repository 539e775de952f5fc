//! What `kith svid inspect` found, for people: what is there first, what is wrong with it under it, the verdict last of all. `json`
//! has the form for programs.

mod certificate;
mod json;
mod token;

use kith_identity::Bundle;

pub(crate) use self::json::InspectionJson;
use super::escape::escape;
use super::table::{Tone, facts};
use super::time;
use crate::commands::svid::{Flaw, Report, Verdict, is_unnamed};

/// For people.
pub(crate) fn table(report: &Report) -> String {
    let mut blocks = vec![format!("{}\n", Tone::Heading.paint(&escape(&heading(report))))];
    blocks.extend(report.certificates.iter().map(|one| certificate::block(one, report.now)));
    blocks.extend(report.token.iter().map(|token| token::block(token, report.now)));
    for (bundle, authorities) in &report.bundles {
        blocks.push(of_bundle(bundle));
        blocks.extend(authorities.iter().map(|one| certificate::block(one, report.now)));
    }
    if !report.flaws.is_empty() {
        blocks.push(broken(&report.flaws));
    }
    blocks.push(summary(report));
    // The last word is what people read.
    blocks.extend(report.verdict.as_ref().map(verdict));
    blocks.join("\n").trim_end().to_owned()
}

fn heading(report: &Report) -> String {
    let beside = |text: String| {
        if report.beside.is_empty() {
            text
        } else {
            format!("{text}, and not shown: {}", report.beside.join(", "))
        }
    };
    let what = match (report.kind, report.certificates.len(), report.bundles.len()) {
        ("certificates", 1, _) => beside("a certificate".to_owned()),
        ("certificates", count, _) => beside(format!("{count} certificates")),
        ("jwt-svid", ..) => "a JWT-SVID".to_owned(),
        ("bundle", ..) => "a bundle".to_owned(),
        (_, _, 1) => "a map of 1 bundle".to_owned(),
        (_, _, count) => format!("a map of {count} bundles"),
    };
    format!("{}: {what}", report.name)
}

fn of_bundle(bundle: &Bundle) -> String {
    let or = |text: Option<String>, none: &str| text.unwrap_or_else(|| none.to_owned());
    let domain = if is_unnamed(bundle.trust_domain()) {
        "(no authority in it says whose it is; --trust-domain does)".to_owned()
    } else {
        bundle.trust_domain().to_string()
    };
    let tokens = bundle.jwt_authorities().iter().map(|key| format!("{} {}", key.key_id(), key.key_type()));
    let tokens = tokens.collect::<Vec<_>>();
    let trusted = match (bundle.authorities().len(), tokens.len()) {
        (0, 0) => "nobody: every svid of this trust domain is invalid".to_owned(),
        (x509, jwt) => format!("{x509} for certificates, {jwt} for tokens"),
    };
    let token_keys = (!tokens.is_empty()).then(|| ("tokens", tokens.join(", ")));
    let ignored = bundle.ignored().iter().map(|ignored| ("ignored", ignored.to_string()));
    let lines = [
        ("bundle", domain),
        ("sequence", or(bundle.sequence().map(|sequence| sequence.to_string()), "none")),
        ("refresh", or(bundle.refresh_hint().map(|hint| format!("every {}", time::rough(hint))), "no hint")),
        ("trusts", trusted),
    ];
    facts(lines.into_iter().chain(token_keys).chain(ignored))
}

/// A line for each broken rule: `broken    keyUsage is not critical (X509-SVID 4.3), at byte 412`.
fn broken(flaws: &[Flaw]) -> String {
    flaws.iter().fold(String::new(), |text, flaw| {
        text + &Tone::Bad.paint(&format!("{:<9}", "broken")) + " " + &escape(&sentence(flaw)) + "\n"
    })
}

fn sentence(flaw: &Flaw) -> String {
    let section = flaw.section.as_ref().map(|section| format!(" ({section})")).unwrap_or_default();
    let place = flaw.offset.map(|offset| format!(", at byte {offset}")).unwrap_or_default();
    format!("{}{section}{place}", flaw.rule)
}

fn verdict(verdict: &Verdict) -> String {
    let by = |text: &str| match &verdict.trust_domain {
        Some(trust_domain) => format!("{text} the anchors given for {trust_domain}"),
        None => String::new(),
    };
    let (word, text) = match &verdict.outcome {
        Ok(identity) => (Tone::Good.paint("VERIFIED"), format!(" {identity}{}", by(" by"))),
        Err(reason) => (Tone::Bad.paint("REFUSED"), format!("  {reason}{}", by("; held against"))),
    };
    format!("{word} {}\n", escape(&text))
}

fn summary(report: &Report) -> String {
    let text = match report.broken() {
        // A certificate that anybody made for themselves breaks no rule either.
        0 if report.verdict.is_none() && report.could_be_verified() => {
            Tone::Good.paint("no rule is broken") + "; whether to believe it was not asked (--bundle)"
        }
        0 => Tone::Good.paint("no rule is broken"),
        1 => Tone::Bad.paint("1 rule is broken"),
        count => Tone::Bad.paint(&format!("{count} rules are broken")),
    };
    text + "\n"
}

#[cfg(test)]
mod tests;
