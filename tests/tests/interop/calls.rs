//! Who may call is named, and bytes pass both ways.

use anyhow::Context;
use tempfile::tempdir;

use crate::authority::{Authority, Keys};
use crate::kith_side::Kith;
use crate::peer::{Peer, Side};

const HERE: &str = "interop.example";

/// One connection each way with every program.
async fn both_ways(keys: Keys) -> anyhow::Result<()> {
    let (authority, folder) = (Authority::new(HERE, keys)?, tempdir()?);
    let kith = Kith::new(authority.svid("kith")?, authority.bundle()?).await?;
    let files = authority.files("peer", &authority, folder.path())?;
    let side = Side { files: &files, expect: authority.identity("kith"), tls12: false };
    let identity = authority.identity("peer");
    for peer in Peer::ALL {
        let (client, called) = tokio::join!(kith.answer(&identity), peer.call(&side, kith.address()?));
        let both = |what: &str| format!("{peer:?} calls, {keys:?}: {what}; it says: {called:?}");
        let client = client.with_context(|| both("we answer"))?;
        assert!(called.is_ok(), "{}", both("it is answered"));
        assert_eq!(client.identity().as_str(), identity, "{}", both("who it is"));

        let server = peer.serve(&side).await?;
        let proven = kith.call(server.address, &identity).await;
        let proven = proven.with_context(|| format!("we call {peer:?}, {keys:?}"))?;
        assert_eq!(proven.identity().as_str(), identity, "{peer:?} as a server, {keys:?}");
    }
    Ok(())
}

// L10.
// Conforms: X509-SVID 5.1 path, X509-SVID 5.1 signature
#[tokio::test]
async fn every_peer_calls_us_and_is_called_by_its_identity_with_keys_as_ours() -> anyhow::Result<()> {
    both_ways(Keys::P256).await
}

// Conforms: X509-SVID 5.1 path, X509-SVID 5.1 signature
#[tokio::test]
async fn every_peer_calls_us_and_is_called_with_keys_of_rsa_from_the_root_down() -> anyhow::Result<()> {
    both_ways(Keys::Rsa2048).await
}
