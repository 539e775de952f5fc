//! Who may call which method, in one function. It looks at nothing but the door, the path and whether the other end
//! proved an svid.

use tonic::Status;

/// Where a request came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The TLS port of the sidecars.
    Mesh,
    /// The socket of mode 0600.
    Admin,
}

const ISSUE: &str = "/kith.v1.Issuance/Issue";
const HEALTH: &str = "/grpc.health.v1.Health/";
const ADMIN: &str = "/kith.v1.Admin/";

/// Lets a request through, or says why not. Methods that do not exist are refused like those that do: who has no
/// svid learns nothing about which there are.
pub(crate) fn admit(door: Door, path: &str, has_svid: bool) -> Result<(), Status> {
    let health = path.starts_with(HEALTH);
    match door {
        Door::Mesh if health || path == ISSUE => Ok(()),
        Door::Mesh if !has_svid => Err(no_svid()),
        Door::Mesh if path.starts_with(ADMIN) => {
            Err(Status::permission_denied("people are answered on the admin socket, not here"))
        }
        Door::Mesh => Ok(()),
        Door::Admin if health || path.starts_with(ADMIN) => Ok(()),
        Door::Admin => Err(Status::permission_denied("only Admin and health are answered on this socket")),
    }
}

/// The refusal of a caller that proved no svid.
pub(crate) fn no_svid() -> Status {
    Status::unauthenticated("this method needs a client svid; get one from Issue first")
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    fn code(door: Door, path: &str, has_svid: bool) -> Option<Code> {
        admit(door, path, has_svid).err().map(|status| status.code())
    }

    // R2
    #[test]
    fn the_gate_is_this_table() {
        let table = [
            (Door::Mesh, "/kith.v1.Issuance/Issue", false, None),
            (Door::Mesh, "/grpc.health.v1.Health/Check", false, None),
            (Door::Mesh, "/kith.v1.Sync/Sync", false, Some(Code::Unauthenticated)),
            (Door::Mesh, "/kith.v1.Admin/Status", false, Some(Code::Unauthenticated)),
            (Door::Mesh, "/kith.v1.Issuance/Issue/", false, Some(Code::Unauthenticated)),
            (Door::Mesh, "//kith.v1.Issuance/Issue", false, Some(Code::Unauthenticated)),
            (Door::Mesh, "/kith.v1.Issuance/issue", false, Some(Code::Unauthenticated)),
            (Door::Mesh, "/kith.v1.Issuance/Other", false, Some(Code::Unauthenticated)),
            (Door::Mesh, "/grpc.health.v1.Healthy/Check", false, Some(Code::Unauthenticated)),
            (Door::Mesh, "/grpc.reflection.v1.ServerReflection/X", false, Some(Code::Unauthenticated)),
            (Door::Mesh, "", false, Some(Code::Unauthenticated)),
            (Door::Mesh, "*", false, Some(Code::Unauthenticated)),
            (Door::Mesh, "/kith.v1.Sync/Sync", true, None),
            (Door::Mesh, "/kith.v1.Admin/Status", true, Some(Code::PermissionDenied)),
            (Door::Admin, "/kith.v1.Admin/Status", false, None),
            (Door::Admin, "/grpc.health.v1.Health/Check", false, None),
            (Door::Admin, "/kith.v1.Issuance/Issue", false, Some(Code::PermissionDenied)),
            (Door::Admin, "/kith.v1.Sync/Sync", false, Some(Code::PermissionDenied)),
            (Door::Admin, "/kith.v1.Sync/Sync", true, Some(Code::PermissionDenied)),
        ];
        for (door, path, has_svid, expected) in table {
            assert_eq!(code(door, path, has_svid), expected, "{door:?} {path:?} svid: {has_svid}");
        }
    }
}
