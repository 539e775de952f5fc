//! A workload without a sidecar of Kith: a genuine svid, a TLS client, and whatever bytes the test likes.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use hyper_util::rt::TokioIo;
use kith_identity::{BundleSet, SpiffeId};
use kith_mtls::{Accept, Client, ClientIdentity, ClientStream, Credentials, Now, Svid, WorkloadKey};
use kith_proto::convert::bundle_from_wire;
use kith_proto::v1;
use kith_proto::v1::issuance_client::IssuanceClient;
use kith_runtime::Clock;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tonic::Code;
use tonic::transport::Endpoint;

use super::SOON;
use super::site::Supervisor;

/// The workload.
pub(super) struct Peer {
    credentials: Credentials,
    accept: Accept,
}

impl Peer {
    /// Gets an svid for `identity`; it will speak with `server` alone.
    pub(super) async fn attested(
        supervisor: &Supervisor,
        identity: &SpiffeId,
        server: SpiffeId,
    ) -> anyhow::Result<Self> {
        let bundles: BundleSet =
            [bundle_from_wire("bundle", Some(&supervisor.bundle))?].into_iter().collect();
        let control_plane = SpiffeId::control_plane(identity.trust_domain());
        let anonymous = Client::new(credentials(None, &bundles), ClientIdentity::SvidIfAny, &[b"h2"]);
        let address = supervisor.control_plane;
        let connector = tower::service_fn(move |_: http::Uri| {
            let (client, accept) = (anonymous.clone(), one(control_plane.clone()));
            async move {
                let stream = TcpStream::connect(address).await?;
                let session = client.connect(stream, accept, SOON).await.map_err(io::Error::other)?;
                Ok::<_, io::Error>(TokioIo::new(session.stream))
            }
        });
        let channel =
            Endpoint::from_static("http://control-plane.invalid").connect_with_connector(connector).await?;
        let mut issuance = IssuanceClient::new(channel);
        loop {
            let key = WorkloadKey::generate()?;
            let statement = supervisor.statement(identity, key.key_hash())?;
            let request = v1::IssueRequest {
                evidence: Some(v1::issue_request::Evidence::Supervised(statement)),
                csr: key.csr_der()?,
            };
            match issuance.issue(request).await {
                Ok(issued) => {
                    let svid = Svid::new(key, issued.into_inner().chain)?;
                    return Ok(Self { credentials: credentials(Some(svid), &bundles), accept: one(server) });
                }
                // It has not yet read for whom it may issue.
                Err(status) if status.code() == Code::Unavailable => {}
                Err(status) => return Err(status.into()),
            }
        }
    }

    /// A session with one application protocol.
    pub(super) async fn connect(
        &self,
        address: SocketAddr,
        alpn: &[u8],
    ) -> anyhow::Result<ClientStream<TcpStream>> {
        let client = Client::new(self.credentials.clone(), ClientIdentity::Svid, &[alpn]);
        let stream = TcpStream::connect(address).await?;
        let session = client.connect(stream, self.accept.clone(), SOON).await.context("handshake")?;
        Ok(session.stream)
    }
}

fn one(identity: SpiffeId) -> Accept {
    Accept::OneOf(BTreeSet::from([identity]))
}

fn credentials(svid: Option<Svid>, bundles: &BundleSet) -> Credentials {
    let (_, svid) = watch::channel(svid.map(Arc::new));
    let (_, bundles) = watch::channel(Arc::new(bundles.clone()));
    let clock = Clock::system();
    Credentials::new(svid, bundles, Now::new(move || clock.now()))
}
