//! The corpus: certificates, tokens and bundles, each correct or spoiled in one way, each with the verdict that the standards
//! ask for. Everything is made anew in each run, with fresh keys; which cases there are never changes between runs.

mod bundles;
mod certificate;
mod der;
mod jwk;
mod keys;
mod tokens;
mod webpki;
mod x509;

use std::fmt::{Debug, Write};
use std::sync::LazyLock;

pub(crate) use bundles::seeds as bundle_seeds;
pub(crate) use tokens::seeds as token_seeds;
pub(crate) use x509::seeds as certificate_seeds;

/// What a case is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Certificate,
    Token,
    Bundle,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Certificate => "certificates",
            Self::Token => "tokens",
            Self::Bundle => "bundles",
        }
    }
}

/// The verdict that a case asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    Accept,
    /// For this reason: the name of the error's variant.
    Refuse(&'static str),
}

/// What ours said: nothing against it, or the name of the error's variant with its sentence.
pub(crate) type Verdict = Result<(), (String, String)>;

/// A case and what was said of it.
pub(crate) struct Judged {
    pub(crate) kind: Kind,
    pub(crate) group: &'static str,
    pub(crate) id: String,
    /// The line of the checklist, or the RFC and its section.
    pub(crate) rule: &'static str,
    pub(crate) wanted: Wanted,
    pub(crate) ours: Verdict,
    /// Whether bare webpki accepts; it has no say on tokens, bundles, and rules that are our own.
    pub(crate) webpki: Option<bool>,
}

impl Judged {
    /// What ours got wrong.
    pub(crate) fn complaint(&self) -> Option<String> {
        let Self { id, rule, wanted, ours, .. } = self;
        let (wanted, said) = match (wanted, ours) {
            (Wanted::Accept, Ok(())) => return None,
            (Wanted::Refuse(kind), Err((said, _))) if kind == said => return None,
            (Wanted::Accept, Err((kind, sentence))) => ("accepted".to_owned(), format!("{kind}: {sentence}")),
            (Wanted::Refuse(kind), Err((said, sentence))) => {
                (format!("refused for {kind}"), format!("{said}: {sentence}"))
            }
            (Wanted::Refuse(kind), Ok(())) => (format!("refused for {kind}"), "accepted".to_owned()),
        };
        Some(format!("{id} ({rule}) has to be {wanted}, and was {said}"))
    }

    /// Whether bare webpki got it wrong; for which reason it refuses does not matter.
    pub(crate) fn is_wrong_of_webpki(&self) -> bool {
        self.webpki.is_some_and(|accepted| accepted != (self.wanted == Wanted::Accept))
    }
}

/// Every case of this run, judged once.
pub(crate) fn judged() -> &'static [Judged] {
    static JUDGED: LazyLock<Vec<Judged>> = LazyLock::new(|| {
        let mut all = x509::judged();
        all.extend(tokens::judged());
        all.extend(bundles::judged());
        all
    });
    &JUDGED
}

/// The name of an error's variant.
fn variant(error: &impl Debug) -> String {
    let mut text = String::new();
    write!(text, "{error:?}").expect("a text takes every write");
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}
