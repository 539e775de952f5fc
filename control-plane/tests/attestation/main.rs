//! The control plane's own process beside a real API server: who is attested, what pods trust, and what admission does.
//! Nothing is a double here: tokens are the API server's, permissions are the chart's, and the process may do no more.
//!
//! It needs root, a cluster that may be thrown away, and to run inside that cluster's network:
//!
//! ```sh
//! tests/cluster/run up --name NAME --api-only
//! tests/cluster/run exec --name NAME -- cargo test -p kith-control-plane --test attestation
//! tests/cluster/run down --name NAME
//! ```

mod admission;
mod caller;
mod ground;
mod objects;
mod outage;
mod tokens;
mod trust;
