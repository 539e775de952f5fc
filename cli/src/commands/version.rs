//! `kith version`: of this command, and of the control plane of the mesh that is found. Never fails for want of a mesh.

use kith_control_plane::kubernetes::ClusterError;

use super::ask::{answered, once};
use crate::args::{AskArgs, Output};
use crate::exit::Exit;
use crate::local::admin::AdminError;
use crate::mesh::{Mesh, NoMesh};
use crate::render::version::{ControlPlane, Version};
use crate::render::{self, escape, json};

/// Looks for a mesh, and prints what it found.
pub(crate) async fn run(args: AskArgs) -> anyhow::Result<Exit> {
    let named = args.name.is_some() || args.socket.is_some() || args.cluster.is_named();
    let control_plane = match control_plane(&args).await {
        Ok(found) => found,
        // Who asked for one mesh is told that it does not answer.
        Err(error) if named => return Err(error),
        Err(error) => {
            render::report(&format!("kith: {}", escape::escape(&error.to_string())));
            None
        }
    };
    let version = Version::new(control_plane);
    let text = match args.output {
        Output::Table => version.table(),
        Output::Json => json::pretty(&version)?,
    };
    answered(render::print(&text), Exit::Ok)
}

/// That of the mesh which was named, or of the only one; `None` when there is none.
async fn control_plane(args: &AskArgs) -> anyhow::Result<Option<ControlPlane>> {
    let mesh = match Mesh::find(args).await {
        Err(NoMesh::Neither) => return Ok(None),
        mesh => mesh?,
    };
    let status = match once(&mesh, async |mut admin| admin.status().await).await {
        // A cluster that was only found need not have Kith in it.
        Err(AdminError::Cluster(ClusterError::NotInstalled { .. })) if !args.cluster.is_named() => {
            return Ok(None);
        }
        status => status?,
    };
    Ok(Some(ControlPlane { mesh: mesh.name(), version: status.version }))
}
