//! The key that seals the authority's file, before there is an installation and after: that its Secret has one, and who may
//! read it. What a key looks like is the control plane's own reading, and of its content nothing is said.

use super::Judgement;
use super::facts::{Facts, KeySecret, Stored};

const MAKE: &str = "make it anew, and keep a copy elsewhere: kubectl -n NAMESPACE create secret generic NAME \
                    --from-literal=key=\"$(openssl rand -hex 32)\"";

pub(super) fn to_come(facts: &Facts) -> Judgement {
    let secret = match &facts.key {
        Ok(Some(secret)) => secret,
        Ok(None) => return Judgement::ok(),
        Err(reason) => return Judgement::unknown(reason),
    };
    let name = &secret.name;
    match &secret.stored {
        Ok(Stored::Missing) if secret.expected => {
            Judgement::error(format!("there is no Secret {name} in the namespace {}", facts.namespace), MAKE)
        }
        Ok(Stored::Missing) => Judgement::ok_with(format!("the Secret {name} is to be made")),
        Ok(Stored::Wrong(why)) => Judgement::error(
            format!("with the Secret {name} the control plane cannot start: {why}"),
            "no authority was made with it yet: delete the Secret and make it anew",
        ),
        Ok(Stored::Good) => readable(secret).unwrap_or_else(|| Judgement::ok_with(name.clone())),
        Err(reason) => Judgement::unknown(reason),
    }
}

pub(super) fn kept(facts: &Facts) -> Judgement {
    let secret = match &facts.key {
        Ok(Some(secret)) => secret,
        Ok(None) if matches!(facts.deployment, Ok(None)) => {
            return Judgement::skipped("because there is no Deployment that names it");
        }
        Ok(None) => {
            return Judgement::warning(
                "the control plane has none: its authority is made anew at every start, and every pod has to be restarted then",
                "make a Secret with a key, and name it in the chart's keySecret",
            );
        }
        Err(reason) => return Judgement::unknown(reason),
    };
    let name = &secret.name;
    match &secret.stored {
        Ok(Stored::Missing) => Judgement::error(
            format!("the Secret {name} is missing, so that the control plane cannot start"),
            "if there was an authority already, restore it from where it is kept besides: without it the authority is lost, \
             and every pod with it; if there was none, the notes of the chart have the command that makes it",
        ),
        Ok(Stored::Wrong(why)) => Judgement::error(
            format!("with the Secret {name} the control plane cannot start: {why}"),
            "if there was an authority already, restore the key from where it is kept besides; if there was none, delete the \
             Secret and make it anew with the command in the chart's notes",
        ),
        Ok(Stored::Good) => readable(secret).unwrap_or_else(|| Judgement::ok_with(name.clone())),
        Err(reason) => readable(secret)
            .filter(|judgement| judgement.outcome == super::Outcome::Error)
            .unwrap_or_else(|| Judgement::unknown(reason)),
    }
}

/// What is wrong with who may read it; `None` where nobody may who is everybody.
fn readable(secret: &KeySecret) -> Option<Judgement> {
    match &secret.readers {
        Ok(readers) if readers.is_empty() => None,
        Ok(readers) => Some(Judgement::error(
            format!("{} may read the Secret {}", readers.join(", "), secret.name),
            "take that right away; whoever has the key and the file can be any workload",
        )),
        Err(reason) => Some(Judgement::unknown(reason)),
    }
}
