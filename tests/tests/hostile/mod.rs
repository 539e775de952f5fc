//! What a hostile application or a hostile peer sends, and what a hostile application answers. Both faces of a
//! sidecar are tried alike: the port of its application, and the port at which a peer proves a genuine svid.

mod answers;
mod connections;
mod headers;
mod http1;
mod http2;
mod peer;
mod requests;
mod scripted;
mod site;

use std::time::Duration;

/// How long anything may take that does not wait for a limit.
const SOON: Duration = Duration::from_secs(5);
