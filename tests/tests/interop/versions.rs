//! TLS 1.2 is refused, for those of the programs that can be held to it. `spiffe-rustls` cannot, which shares the other
//! refusals: our rustls is built without it.

use crate::peer::Peer;
use crate::refusals::Ground;

// L2.
#[tokio::test]
async fn a_peer_that_has_nothing_newer_than_tls_1_2_is_refused() -> anyhow::Result<()> {
    let mut ground = Ground::new(None).await?;
    ground.tls12 = true;
    ground.we_refuse(Peer::with_versions(), "tls_error").await
}
