//! `kith crds`: the definitions of our kinds of object, as the chart has them.

use std::fs;

use anyhow::Context as _;
use kith_control_plane::crd;

use super::ask::answered;
use crate::args::CrdsArgs;
use crate::exit::Exit;
use crate::render;

/// Writes each definition into a file of its own, or prints all of them.
pub(crate) fn run(args: &CrdsArgs) -> anyhow::Result<Exit> {
    let documents = crd::documents()?;
    let Some(folder) = &args.write else {
        let texts: Vec<_> = documents.iter().map(|document| document.text.as_str()).collect();
        return answered(render::print(texts.join("---\n").trim_end()), Exit::Ok);
    };
    for document in &documents {
        let path = folder.join(document.file);
        fs::write(&path, &document.text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    render::report(&format!("the definitions are in {}", folder.display()));
    Ok(Exit::Ok)
}
