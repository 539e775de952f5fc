//! A Workload API that hands out the svid of files, and the anchors beside it: the crate `spiffe` takes them from nowhere
//! else.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context;
use futures_util::stream::{self, BoxStream, StreamExt};
use kith_identity::svid::Leaf;
use kith_proto::spiffe::spiffe_workload_api_server::{SpiffeWorkloadApi, SpiffeWorkloadApiServer};
use kith_proto::spiffe::{
    JwtBundlesRequest, JwtBundlesResponse, JwtsvidRequest, JwtsvidResponse, ValidateJwtsvidRequest,
    ValidateJwtsvidResponse, WitBundlesRequest, WitBundlesResponse, WitsvidRequest, WitsvidResponse,
    X509BundlesRequest, X509BundlesResponse, X509svid, X509svidRequest, X509svidResponse,
};
use kith_runtime::Tasks;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use spiffe::X509Source;
use tempfile::{TempDir, tempdir};
use tokio::net::UnixListener;
use tokio::time::timeout;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::authority::Files;
use crate::ground::SOON;

/// It answers until it is dropped.
pub(super) struct WorkloadApi {
    _tasks: Tasks,
    folder: TempDir,
}

impl WorkloadApi {
    /// One that hands out these files, to everybody.
    pub(super) fn of(files: &Files) -> anyhow::Result<Self> {
        let (folder, tasks) = (tempdir()?, Tasks::new());
        let listener = UnixListener::bind(folder.path().join("socket"))?;
        let service = SpiffeWorkloadApiServer::new(Handout(message(files)?));
        let incoming = stream::unfold(listener, async |listener| {
            Some((listener.accept().await.map(|(stream, _)| stream), listener))
        });
        tasks.spawn(async move {
            let served = Server::builder().serve_with_incoming(service, incoming.boxed()).await;
            served.expect("a listener that never ends is served until it is dropped");
        });
        Ok(Self { _tasks: tasks, folder })
    }

    /// The client of others, once it has what there is.
    pub(super) async fn source(&self) -> anyhow::Result<X509Source> {
        let endpoint = format!("unix://{}", self.folder.path().join("socket").display());
        let source = X509Source::builder().endpoint(endpoint).build();
        Ok(timeout(SOON, source).await.context("the Workload API has nothing for it")??)
    }
}

/// The files as a Workload API says them.
fn message(files: &Files) -> anyhow::Result<X509svidResponse> {
    let chain = certificates(&files.chain)?;
    let leaf = Leaf::parse(chain.first().context("an empty chain")?)?;
    let trusted = certificates(&files.bundle)?.concat();
    let at_home = leaf.identity().trust_domain().as_str() == files.trust_domain;
    let svid = X509svid {
        spiffe_id: leaf.identity().to_string(),
        x509_svid: chain.concat(),
        x509_svid_key: PrivatePkcs8KeyDer::from_pem_file(&files.key)?.secret_pkcs8_der().to_vec(),
        // An svid never comes without a bundle of its own trust domain, even where nobody of it is to be met.
        bundle: if at_home { trusted.clone() } else { certificates(&files.issuing)?.concat() },
        hint: String::new(),
    };
    let federated = (!at_home).then(|| (format!("spiffe://{}", files.trust_domain), trusted));
    Ok(X509svidResponse { svids: vec![svid], crl: vec![], federated_bundles: HashMap::from_iter(federated) })
}

/// Each certificate of a file, in DER.
fn certificates(file: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let read = CertificateDer::pem_file_iter(file)?.map(|read| Ok(read?.to_vec()));
    read.collect()
}

/// The answer to everybody who asks for svids; nothing else is answered.
struct Handout(X509svidResponse);

type Messages<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl SpiffeWorkloadApi for Handout {
    type FetchX509SVIDStream = Messages<X509svidResponse>;
    type FetchX509BundlesStream = Messages<X509BundlesResponse>;
    type FetchJWTBundlesStream = Messages<JwtBundlesResponse>;
    type FetchWITSVIDStream = Messages<WitsvidResponse>;
    type FetchWITBundlesStream = Messages<WitBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        _: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        let message = stream::iter([Ok(self.0.clone())]);
        Ok(Response::new(message.chain(stream::pending()).boxed()))
    }

    async fn fetch_x509_bundles(
        &self,
        _: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn fetch_jwtsvid(&self, _: Request<JwtsvidRequest>) -> Result<Response<JwtsvidResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn fetch_jwt_bundles(
        &self,
        _: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn validate_jwtsvid(
        &self,
        _: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn fetch_witsvid(
        &self,
        _: Request<WitsvidRequest>,
    ) -> Result<Response<Self::FetchWITSVIDStream>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn fetch_wit_bundles(
        &self,
        _: Request<WitBundlesRequest>,
    ) -> Result<Response<Self::FetchWITBundlesStream>, Status> {
        Err(Status::unimplemented(""))
    }
}
