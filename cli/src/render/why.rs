//! What a denial id stands for, and what would allow the call: `kith why`.

use std::path::{Path, PathBuf};

use kith_policy::document;
use kith_proto::v1::{Origin, WhyResponse};
use kith_sidecar::identity_log::{Event, Line};
use serde::Serialize;

use super::escape::{deceives, escape, lines};
use super::event::{Shown, WOULD_DENY, WOULD_DENY_TITLE};
use super::json::known;
use super::name::Naming;
use super::snippet::{field_of, place, snippet};
use super::table::{Tone, facts};

/// A refusal that was looked up.
#[derive(Debug)]
pub struct Why<'a> {
    answer: &'a WhyResponse,
    /// `None` when the line is of another version.
    refusal: Option<Shown>,
    revision: Option<String>,
    place: &'a Place,
    /// Where the suggestion may be saved.
    file: Option<String>,
}

/// Where policies are written, for whoever wants to follow a suggestion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Files of a folder, where it is known.
    Folder(Option<PathBuf>),
    /// Objects of a cluster.
    Cluster,
}

impl<'a> Why<'a> {
    /// The answer; the place is that of the policies in force.
    pub fn new(answer: &'a WhyResponse, place: &'a Place) -> Self {
        let line = Line::from_json(&answer.line).ok();
        let revision = match line.as_ref().map(|line| &line.event) {
            Some(Event::Call(call)) => call.revision.clone(),
            _ => None,
        };
        let file = match place {
            Place::Folder(folder) => {
                folder.as_deref().and_then(|folder| file_for(&answer.suggestion, folder))
            }
            Place::Cluster => None,
        };
        Self { answer, refusal: line.as_ref().and_then(Shown::of_refusal), revision, place, file }
    }

    /// Whether the line could be read.
    pub fn is_readable(&self) -> bool {
        self.refusal.is_some()
    }

    /// For people.
    pub fn table(&self) -> String {
        let title = if self.was_let_through() { WOULD_DENY_TITLE } else { "DENY" };
        let mut text = format!("{}  {}\n", Tone::Bad.paint(title), escape(&self.call()));
        text.push_str(&indented(&facts(self.facts())));
        text.push_str(&self.closest());
        if let Some(allowed) = self.allowed_now() {
            let (becomes, tone) = match (allowed, self.was_let_through()) {
                (true, false) => ("the same call is allowed", Tone::Good),
                (true, true) => ("a rule allows the same call", Tone::Good),
                (false, false) => ("the same call is still refused", Tone::Plain),
                (false, true) => ("the same call would still be refused", Tone::Plain),
            };
            let now = format!("by what is in force now, {becomes}");
            text.push_str(&format!("  {}\n", tone.paint(&now)));
        }
        text.push_str(&self.advice());
        text.trim_end().to_owned()
    }

    /// Whether only a stricter posture would have refused it.
    fn was_let_through(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| refusal.verdict == Some(WOULD_DENY))
    }

    /// `None` when nobody can tell.
    fn allowed_now(&self) -> Option<bool> {
        self.answer.judged.then_some(self.answer.allowed_now)
    }

    fn call(&self) -> String {
        let Some(refusal) = &self.refusal else {
            return "a call (its line is of another version)".to_owned();
        };
        let (src, dst) = self.ends(refusal);
        format!("{src} → {dst}  {}", refusal.request())
    }

    /// What the suggestion allows, which is more than the call where nobody looks into its bytes.
    fn allows(&self) -> String {
        match &self.refusal {
            Some(opaque) if opaque.method.is_none() => {
                let (src, dst) = self.ends(opaque);
                format!("every connection of {} to {}", escape(&src), escape(&dst))
            }
            _ => "exactly this call".to_owned(),
        }
    }

    /// Who called, and who was called.
    fn ends(&self, refusal: &Shown) -> (String, String) {
        let naming = match self.place {
            Place::Folder(_) => Naming::Local,
            Place::Cluster => Naming::Cluster,
        };
        let side = |own: &Option<String>, other: &Option<String>| match own {
            Some(identity) => naming.of(identity, other.as_deref()),
            None => "(unknown)".to_owned(),
        };
        (side(&refusal.src, &refusal.dst), side(&refusal.dst, &refusal.src))
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let mut facts = vec![("id", self.answer.id.clone())];
        let Some(refusal) = &self.refusal else {
            facts.push(("by", self.answer.reporter.clone()));
            return facts;
        };
        facts.push(("when", refusal.time.clone()));
        facts.push(("source", refusal.src.clone().unwrap_or_else(|| "proved no identity".to_owned())));
        facts.push(("by", format!("the sidecar of {}", self.answer.reporter)));
        facts.push(("reason", refusal.reason.clone().unwrap_or_else(|| "none given".to_owned())));
        if let Some(policy) = &refusal.policy {
            let rule = refusal.rule.as_ref().map(|rule| format!(" rule {rule}")).unwrap_or_default();
            facts.push(("policy", format!("{policy}{rule}")));
        }
        if let Some(revision) = &self.revision {
            facts.push(("revision", revision.clone()));
        }
        if let Some(detail) = &refusal.detail {
            facts.push(("because", detail.clone()));
        }
        facts
    }

    /// What came closest, and where the policy that matters was written.
    fn closest(&self) -> String {
        let said = self.refusal.as_ref().and_then(|refusal| refusal.detail.as_deref());
        // The default's own sentence is the nearest miss: said once.
        let nearest = known(&self.answer.nearest_miss).filter(|nearest| Some(*nearest) != said);
        let mut text = match nearest {
            Some(nearest) => indented(&facts([("nearest", nearest.to_owned())])),
            None => String::new(),
        };
        if let Some(origin) = &self.answer.origin {
            text.push_str(&format!("  {}\n", place(origin)));
            text.extend(known(&snippet(origin, "")).map(|line| format!("{line}\n")));
        }
        text
    }

    /// What to write, and where.
    fn advice(&self) -> String {
        let WhyResponse { suggestion, no_suggestion, allowed_now, .. } = self.answer;
        if *allowed_now {
            return String::new();
        }
        if suggestion.is_empty() {
            let reason = known(no_suggestion).unwrap_or("the control plane suggests none");
            return format!("  no policy is suggested: {}\n", escape(reason));
        }
        let (allows, suggested) = (self.allows(), lines(suggestion.trim_end()));
        let mut text = match (self.place, &self.file) {
            (Place::Cluster, _) => {
                format!("\nto allow {allows}:\n\nkubectl apply -f - <<'EOF'\n{suggested}\nEOF\n")
            }
            (Place::Folder(_), Some(file)) => format!(
                "\nto allow {allows}, save this as {}, or add it to a file there below a line \"---\":\n\n{suggested}\n",
                escape(file)
            ),
            (Place::Folder(_), None) => {
                format!(
                    "\nto allow {allows}, save this as a file in the folder of the policies:\n\n{suggested}\n"
                )
            }
        };
        if suggestion.chars().any(|c| c != '\n' && deceives(c)) {
            text.push_str("\nit has characters that are shown by their number here; copy it from -o json\n");
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> WhyJson<'_> {
        let WhyResponse { id, reporter, origin, suggestion, no_suggestion, nearest_miss, .. } = self.answer;
        WhyJson {
            id,
            reporter,
            refusal: self.refusal.as_ref(),
            revision: self.revision.as_deref(),
            nearest_miss: known(nearest_miss),
            origin: origin.as_ref().map(OriginJson::from),
            allowed_now: self.allowed_now(),
            suggestion: known(suggestion),
            suggestion_file: self.file.as_deref(),
            no_suggestion: known(no_suggestion),
        }
    }
}

/// Named after the policy: its name has no character that a path could trip over.
fn file_for(suggestion: &str, folder: &Path) -> Option<String> {
    let policies = document::parse("suggestion", suggestion).ok()?;
    let name = &policies.first()?.name;
    Some(folder.join(format!("{name}.yaml")).display().to_string())
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// For programs. `refusal` is the event that `kith tap -o json` prints.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct WhyJson<'a> {
    id: &'a str,
    reporter: &'a str,
    refusal: Option<&'a Shown>,
    revision: Option<&'a str>,
    nearest_miss: Option<&'a str>,
    origin: Option<OriginJson<'a>>,
    allowed_now: Option<bool>,
    suggestion: Option<&'a str>,
    suggestion_file: Option<&'a str>,
    no_suggestion: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct OriginJson<'a> {
    file: &'a str,
    line: Option<u32>,
    column: Option<u32>,
    text: Option<&'a str>,
    /// In an object that Kubernetes stores, which has no lines.
    field: Option<&'a str>,
}

impl<'a> From<&'a Origin> for OriginJson<'a> {
    fn from(origin: &'a Origin) -> Self {
        let in_file = (origin.line > 0).then_some(origin);
        Self {
            file: &origin.file,
            line: in_file.map(|origin| origin.line),
            column: in_file.map(|origin| origin.column),
            text: in_file.map(|origin| origin.text.as_str()),
            field: field_of(origin),
        }
    }
}

#[cfg(test)]
mod tests;
