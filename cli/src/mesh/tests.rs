//! Which mesh is asked, by what there is and by what was said.

use std::fs;
use std::path::Path;

use clap::Parser as _;

use super::*;
use crate::args::{Cli, Command};
use crate::local::layout::SocketFolder;

const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: trial
clusters: [{ name: here, cluster: { server: 'http://127.0.0.1:1' } }]
users: [{ name: me, user: {} }]
contexts: [{ name: trial, context: { cluster: here, user: me } }]
";

/// `kith status` with these flags, on a machine that has these folders.
fn asked(runtime: &Path, home: &Path, flags: &[&str]) -> AskArgs {
    let folders = ["--runtime-dir", runtime.to_str().unwrap(), "--home", home.to_str().unwrap()];
    // A variable of whoever runs the tests must not decide.
    let fixed = ["--kubeconfigs", ""];
    let line = ["kith", "status"].into_iter().chain(folders).chain(fixed).chain(flags.iter().copied());
    match Cli::try_parse_from(line).unwrap().command {
        Command::Status(args) => args,
        other => panic!("{other:?}"),
    }
}

fn write_kubeconfig(home: &Path) {
    fs::create_dir(home.join(".kube")).unwrap();
    fs::write(home.join(".kube/config"), KUBECONFIG).unwrap();
}

#[tokio::test]
async fn a_mesh_that_runs_here_is_asked_before_a_cluster_and_a_flag_before_both() {
    let (runtime, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let find = async |flags: &[&str]| Mesh::find(&asked(runtime.path(), home.path(), flags)).await;
    let neither = find(&[]).await.unwrap_err();
    assert!(matches!(neither, NoMesh::Neither));
    let text = neither.to_string();
    assert!(text.contains("kith demo") && text.contains("KUBECONFIG"), "{text}");
    assert!(matches!(find(&["-n", "kith"]).await, Err(NoMesh::Neither)));

    write_kubeconfig(home.path());
    let Ok(Mesh::Cluster(installation)) = find(&[]).await else { panic!("no cluster") };
    assert_eq!((installation.namespace(), installation.context()), ("kith", Some("trial")));

    let _claim = SocketFolder::of_user(Some(runtime.path())).claim("shop").unwrap();
    assert_eq!(find(&[]).await.unwrap().name(), "shop");
    assert_eq!(find(&["-n", "mesh"]).await.unwrap().name(), "trial/mesh");
    assert_eq!(find(&["--name", "shop"]).await.unwrap().name(), "shop");
    let error = find(&["--context", "other"]).await.unwrap_err();
    assert!(error.to_string().contains("other"), "{error}");
}

#[tokio::test]
async fn an_api_server_that_is_away_is_told_as_such() {
    let home = tempfile::tempdir().unwrap();
    write_kubeconfig(home.path());
    let mesh = Mesh::find(&asked(home.path(), home.path(), &["-n", "kith"])).await.unwrap();
    let error = mesh.connect().await.unwrap_err();
    assert!(matches!(error, AdminError::Cluster(ClusterError::Unreachable { .. })), "{error:?}");
    assert!(!mesh.may_come_back(&error).unwrap(), "it is not our control plane that restarts");
}
