//! `docs/metrics.md` names every figure that a process shows, with its type and its labels, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, ensure};
use kith_tests::{Connection, Mesh, Version, repository};

/// Crates whose sources name figures.
const CRATES: [&str; 3] = ["runtime", "sidecar", "control-plane"];
/// In a histogram's samples; not a label of the page.
const BUCKET: &str = "le";

/// What the page or a process says of one figure: its type and its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Figure {
    kind: String,
    labels: BTreeSet<String>,
}

type Figures = BTreeMap<String, Figure>;

#[test]
fn every_figure_of_the_sources_is_on_the_page_and_none_besides() -> anyhow::Result<()> {
    let documented: BTreeSet<String> = page()?.into_keys().filter(|name| name.starts_with("kith_")).collect();
    let mut named = BTreeSet::new();
    for name in CRATES {
        names_in(&repository().join(name).join("src"), &mut named)?;
    }
    ensure!(named.len() >= 15, "the sources were not found: {named:?}");
    assert_eq!(documented, named);
    Ok(())
}

#[tokio::test]
async fn processes_show_what_the_page_says() -> anyhow::Result<()> {
    let mesh = Mesh::start("metrics-page", 60).await?;
    let mut client = Connection::open(mesh.outbound("caller")?, Version::Http1).await?;
    ensure!(client.call("GET", "/", "").await?.status.as_u16() == 200);
    let sidecar = mesh.supervisor.endpoints("caller").context("no endpoints")?.health;
    let control_plane = mesh.supervisor.control_plane().facts().context("no control plane")?.health;
    let mut shown = scrape(sidecar).await?;
    shown.append(&mut scrape(control_plane).await?);
    let page = page()?;
    let kinds = |figures: &Figures| -> BTreeMap<String, String> {
        figures.iter().map(|(name, figure)| (name.clone(), figure.kind.clone())).collect()
    };
    assert_eq!(kinds(&page), kinds(&shown));
    for (name, figure) in shown {
        // One that was never counted shows no labels.
        ensure!(
            figure.labels.is_empty() || page[&name].labels == figure.labels,
            "{name} has the labels {:?}",
            figure.labels
        );
    }
    mesh.stop().await
}

/// The rows of the page, by name without what the text appends to a counter's.
fn page() -> anyhow::Result<Figures> {
    let text = std::fs::read_to_string(repository().join("docs/metrics.md"))?;
    let mut figures = Figures::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind @ ("counter" | "gauge" | "histogram"), labels, _means, _] = cells[..] else {
            continue;
        };
        let name = name.trim_matches('`');
        let base = if kind == "counter" {
            name.strip_suffix("_total").with_context(|| format!("{name} is a counter"))?
        } else {
            name
        };
        let labels = labels.split(',').map(|label| label.trim().trim_matches('`').to_owned());
        let labels = labels.filter(|label| !label.is_empty()).collect();
        let before = figures.insert(base.to_owned(), Figure { kind: kind.to_owned(), labels });
        ensure!(before.is_none(), "{name} is on the page twice");
    }
    Ok(figures)
}

/// What a process shows of itself now.
async fn scrape(health: SocketAddr) -> anyhow::Result<Figures> {
    let answer = Connection::open(health, Version::Http1).await?.call("GET", "/metrics", "").await?;
    let text = String::from_utf8(answer.body.to_vec())?;
    let mut figures = Figures::new();
    let mut current = None;
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) {
            let figure = Figure { kind: kind.to_owned(), labels: BTreeSet::new() };
            figures.insert(name.to_owned(), figure);
            current = Some(name.to_owned());
        } else if !line.starts_with('#') {
            let name = current.as_ref().context("a sample before its type")?;
            let figure = figures.get_mut(name).context("no such figure")?;
            figure.labels.extend(labels_of(line));
        }
    }
    Ok(figures)
}

/// Of `name{one="a",other="b"} 1`. No value of this test has a quote in it.
fn labels_of(sample: &str) -> Vec<String> {
    let Some((_, labels)) = sample.split_once('{') else { return Vec::new() };
    let names = labels.split("=\"").filter_map(|before| before.rsplit(['"', ',']).next());
    let names = names.filter(|name| !name.is_empty() && !name.starts_with('}') && *name != BUCKET);
    names.map(str::to_owned).collect()
}

/// Every `"kith_..."` of the sources that are not tests.
fn names_in(folder: &Path, names: &mut BTreeSet<String>) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            names_in(&path, names)?;
        } else if path.file_name().is_none_or(|name| name != "tests.rs") {
            let text = std::fs::read_to_string(&path)?;
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
            let literals = code.split('"').filter(|text| {
                text.strip_prefix("kith_")
                    .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'))
            });
            names.extend(literals.map(str::to_owned));
        }
    }
    Ok(())
}
