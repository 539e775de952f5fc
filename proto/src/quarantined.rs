//! What a sidecar says when it refuses a call for a single workload that is cut off, and not for an identity. Owns the
//! sentences, which stand in the identity log, and their reading: a control plane finds the pod by them.

use std::fmt;

use kith_identity::svid::Serial;

/// Ends whatever a refusal says when the call had been sent before: whoever repeats it should know.
pub const UNDER_WAY: &str = "; the call was under way and may have reached its destination";

const OWN: &str = "this workload itself is quarantined";
const HOLDER: &str = "the holder of the svid ";
const IS_CUT_OFF: &str = " is quarantined";

/// The workload that a sidecar refused for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quarantined {
    /// The sidecar's own.
    Own,
    /// The one at the other end, which proved itself with this svid.
    Holder(Serial),
}

impl Quarantined {
    /// Whom a sentence is about; `None` when it is about an identity, or is none of these.
    pub fn parse(sentence: &str) -> Option<Self> {
        let sentence = sentence.strip_suffix(UNDER_WAY).unwrap_or(sentence);
        if sentence == OWN {
            return Some(Self::Own);
        }
        let serial = sentence.strip_prefix(HOLDER)?.strip_suffix(IS_CUT_OFF)?;
        Serial::parse(serial).map(Self::Holder)
    }
}

impl fmt::Display for Quarantined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str(OWN),
            Self::Holder(serial) => write!(f, "{HOLDER}{serial}{IS_CUT_OFF}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_workload_is_read_as_it_was_meant() {
        for quarantined in [Quarantined::Own, Quarantined::Holder(Serial::parse("7b17").unwrap())] {
            assert_eq!(Quarantined::parse(&quarantined.to_string()), Some(quarantined.clone()));
            let sent_before = format!("{quarantined}{UNDER_WAY}");
            assert_eq!(Quarantined::parse(&sent_before), Some(quarantined));
        }
    }

    #[test]
    fn what_is_said_of_an_identity_is_about_no_single_workload() {
        let identity = "spiffe://mesh.example/ns/shop/sa/web is quarantined";
        for sentence in
            [identity, "", "the holder of the svid x is quarantined", "the holder of the svid 7b17"]
        {
            assert_eq!(Quarantined::parse(sentence), None, "{sentence:?}");
        }
    }
}
