//! What people write. Owns the language of policy documents: its YAML, its typed contents, and errors that show
//! file, line, column and the line itself. It does not combine policies, nor decide anything.
//!
//! ```text
//! object ──► lines ─┐
//! text ─────────────┴─► yaml (raw fields, each with its place) ──► policy, rule, source, operation (typed, valid)
//!   ▲                                                                              │
//!   └──────────────────── node (layout, quoting) ◄── write ◄───────────────────────┘
//! ```

mod error;
mod header;
mod limits;
mod lines;
mod name;
mod node;
pub mod object;
mod one_or_more;
mod operation;
mod policy;
pub mod quarantine;
mod rule;
#[cfg(feature = "schema")]
pub mod schema;
mod source;
mod target;
mod write;
pub mod yaml;

use std::collections::BTreeMap;

pub use error::DocumentError;
pub use header::{API_VERSION, GROUP, VERSION};
pub use name::{Name, NameError};
pub use one_or_more::OneOrMore;
pub use operation::{
    GrpcMethod, GrpcOperation, GrpcService, HttpOperation, Method, Operation, OperationError,
};
pub use policy::{Action, AuthorizationPolicy, KIND as POLICY_KIND};
pub use rule::{Rule, RuleName, RuleNameError};
pub use source::Source;
pub use target::{Target, Targets};

use self::header::Header;
use self::policy::RawPolicy;
use self::yaml::Text;

/// Reads every policy in a file, which may hold several documents. Nothing is skipped: one thing wrong anywhere
/// and the whole file is refused.
pub fn parse(file: &str, text: &str) -> Result<Vec<AuthorizationPolicy>, DocumentError> {
    read(&Text::new(file, text))
}

fn read(text: &Text<'_>) -> Result<Vec<AuthorizationPolicy>, DocumentError> {
    // The header first: "this kind is not supported" says more than "its fields are unknown".
    for header in text.read::<Header>()? {
        header::check(header, policy::KIND, text)?;
    }
    let mut seen = BTreeMap::new();
    let mut policies = Vec::new();
    for document in text.read::<RawPolicy>()? {
        let place = document.place();
        let policy = policy::from_raw(document, text)?;
        let name = (policy.namespace.clone(), policy.name.clone());
        if let Some(first) = seen.insert(name, place) {
            let message = format!(
                "the policy {}/{} is already defined in line {}; give one of them another name",
                policy.namespace, policy.name, first.line
            );
            return Err(text.error(place, message));
        }
        policies.push(policy);
    }
    Ok(policies)
}

#[cfg(test)]
mod tests;
