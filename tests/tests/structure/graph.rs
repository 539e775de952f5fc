//! The dependency graph as cargo resolved it, read once, with the edges that are really built.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Node, Package, PackageId};

/// The packages of the workspace and all that they link, by id.
pub(crate) struct Graph {
    pub(crate) metadata: Metadata,
    edges: BTreeMap<PackageId, Vec<Edge>>,
}

struct Edge {
    to: PackageId,
    kinds: BTreeSet<&'static str>,
}

/// The folder that holds the workspace.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate of tests is one folder below the workspace")
}

/// The graph; the first caller reads it.
pub(crate) fn graph() -> &'static Graph {
    static GRAPH: OnceLock<Graph> = OnceLock::new();
    GRAPH.get_or_init(read)
}

fn read() -> Graph {
    // Only this platform: others' packages are not linked, and need not have been downloaded.
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(vec!["--locked".to_owned(), "--filter-platform".to_owned(), platform])
        .exec()
        .unwrap_or_else(|error| panic!("cargo metadata --locked: {error}"));
    let nodes = &metadata.resolve.as_ref().expect("cargo metadata resolves unless asked not to").nodes;
    let edges = nodes.iter().map(|node| (node.id.clone(), built_edges(&metadata, node))).collect();
    Graph { metadata, edges }
}

/// The dependencies of a package that its enabled features really build. Cargo's lock file also lists optional ones that
/// only a weak feature (`ring?/std`) mentions; `cargo metadata` passes them on.
fn built_edges(metadata: &Metadata, node: &Node) -> Vec<Edge> {
    let package = &metadata[&node.id];
    let mut edges = Vec::new();
    for dependency in &node.deps {
        let name = metadata[&dependency.pkg].name.as_str();
        let kinds = dependency.dep_kinds.iter().map(|it| kind_name(it.kind)).collect();
        if is_built(package, node, name) {
            edges.push(Edge { to: dependency.pkg.clone(), kinds });
        }
    }
    edges
}

fn is_built(package: &Package, node: &Node, dependency: &str) -> bool {
    let declared: Vec<_> = package.dependencies.iter().filter(|it| it.name == dependency).collect();
    if declared.iter().any(|it| !it.optional) {
        return true;
    }
    // A feature activates an optional dependency under the name that the manifest gave to it.
    let names: Vec<&str> = declared.iter().map(|it| it.rename.as_deref().unwrap_or(&it.name)).collect();
    let specs = node.features.iter().filter_map(|feature| package.features.get(feature.as_str())).flatten();
    specs.into_iter().any(|spec| {
        let target = spec.strip_prefix("dep:").unwrap_or(spec);
        let target = target.split_once('/').map_or(target, |(name, _)| name);
        names.contains(&target) // `name?/feature` keeps its question mark, and so activates nothing
    })
}

fn kind_name(kind: DependencyKind) -> &'static str {
    match kind {
        DependencyKind::Normal => "normal",
        DependencyKind::Development => "dev",
        DependencyKind::Build => "build",
        other => panic!("a kind of dependency that this test does not know: {other:?}"),
    }
}

impl Graph {
    /// The crates of this workspace.
    pub(crate) fn members(&self) -> Vec<&Package> {
        self.metadata.workspace_packages()
    }

    /// A crate of this workspace, by name.
    pub(crate) fn member(&self, name: &str) -> &Package {
        let found = self.members().into_iter().find(|it| it.name == name);
        found.unwrap_or_else(|| panic!("the workspace has no crate {name:?}"))
    }

    /// Every package that the crate links into what it makes, itself excepted, with one path that leads there.
    pub(crate) fn linked(&self, from: &Package) -> BTreeMap<&str, String> {
        let mut paths = BTreeMap::from([(&from.id, from.name.to_string())]);
        let mut queue = VecDeque::from([&from.id]);
        while let Some(id) = queue.pop_front() {
            for edge in self.edges[id].iter().filter(|edge| edge.kinds.contains("normal")) {
                if !paths.contains_key(&edge.to) {
                    let path = format!("{} -> {}", paths[id], self.metadata[&edge.to].name);
                    paths.insert(&edge.to, path);
                    queue.push_back(&edge.to);
                }
            }
        }
        paths.remove(&from.id);
        paths.into_iter().map(|(id, path)| (self.metadata[id].name.as_str(), path)).collect()
    }

    /// Every package that is built for this workspace: code, tests and build scripts.
    pub(crate) fn built(&self) -> Vec<&Package> {
        let mut seen: BTreeSet<&PackageId> = self.metadata.workspace_members.iter().collect();
        let mut queue: VecDeque<&PackageId> = seen.iter().copied().collect();
        while let Some(id) = queue.pop_front() {
            for edge in &self.edges[id] {
                if seen.insert(&edge.to) {
                    queue.push_back(&edge.to);
                }
            }
        }
        seen.into_iter().map(|id| &self.metadata[id]).collect()
    }
}

/// Every file of the repository below `folder` whose extension is listed; build output and git's own are left out.
pub(crate) fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries {
            let path = entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())).path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | ".git" | "node_modules") {
                    folders.push(path);
                }
            } else if extensions.iter().any(|it| name == *it || name.ends_with(&format!(".{it}"))) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A path as people write it: from the root of the repository.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
