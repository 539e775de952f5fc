//! The policies of the measured mesh: as many as a busy service has, of which one lets the caller in.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

/// The namespace of everything that is measured.
pub(crate) const NAMESPACE: &str = "bench";
/// Who calls.
pub(crate) const CALLER: &str = "caller";
/// Whose calls are HTTP.
pub(crate) const CALLEE: &str = "callee";
/// Who speaks something opaque.
pub(crate) const OPAQUE: &str = "opaque";

/// Writes `count` policies for each of the two that are called.
pub(crate) fn write(folder: &Path, count: usize) -> anyhow::Result<()> {
    let http = "    operations: [{ http: { methods: [GET], paths: [\"/bytes/{n}\", \"/other/**\"] } }]\n";
    for (callee, operations) in [(CALLEE, http), (OPAQUE, "")] {
        let path = folder.join(format!("{callee}.yaml"));
        let text = policies(callee, operations, count);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// The one that lets the caller in stands in the middle; the others are for others.
fn policies(callee: &str, operations: &str, count: usize) -> String {
    (0..count).fold(String::new(), |mut text, number| {
        let source = if number == count / 2 { CALLER.to_owned() } else { format!("other-{number}") };
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "---\napiVersion: kith.dev/v1alpha1\nkind: AuthorizationPolicy\n\
             metadata: {{ name: {callee}-{number}, namespace: {NAMESPACE} }}\n\
             spec:\n  targetRefs: [{{ kind: ServiceAccount, name: {callee} }}]\n  action: ALLOW\n  rules:\n  \
             - name: rule\n    sources: [{{ type: ServiceAccount, serviceAccount: {{ name: {source} }} }}]\n{operations}"
        );
        text
    })
}
