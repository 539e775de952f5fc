//! The Workload API: the X.509 profile. The other profiles are switched off, as the standard lets an operator do: the
//! authority mints no tokens.

use std::collections::HashMap;

use kith_proto::spiffe::spiffe_workload_api_server::SpiffeWorkloadApi;
use kith_proto::spiffe::{
    JwtBundlesRequest, JwtBundlesResponse, JwtsvidRequest, JwtsvidResponse, ValidateJwtsvidRequest,
    ValidateJwtsvidResponse, WitBundlesRequest, WitBundlesResponse, WitsvidRequest, WitsvidResponse,
    X509BundlesRequest, X509BundlesResponse, X509svid, X509svidRequest, X509svidResponse,
};
use tonic::{Request, Response, Status};

use super::connection::Connection;
use super::source::{Own, Source, Trust};
use super::stream::{Answers, Streams};

/// Answers applications.
#[derive(Debug, Clone)]
pub(super) struct WorkloadApi {
    streams: Streams,
}

impl WorkloadApi {
    pub(super) fn new(streams: Streams) -> Self {
        Self { streams }
    }
}

#[tonic::async_trait]
impl SpiffeWorkloadApi for WorkloadApi {
    type FetchX509SVIDStream = Answers<X509svidResponse>;
    type FetchX509BundlesStream = Answers<X509BundlesResponse>;
    type FetchJWTBundlesStream = Answers<JwtBundlesResponse>;
    type FetchWITSVIDStream = Answers<WitsvidResponse>;
    type FetchWITBundlesStream = Answers<WitBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        let mut sent: Option<Own> = None;
        let answers = self.streams.open(connection(&request)?, move |source: &Source| {
            let own = source.own()?;
            let known = sent.as_ref().is_some_and(|sent| sent.is(&own));
            let answer = (!known).then(|| svids(&own));
            sent = Some(own);
            Ok(answer)
        });
        Ok(Response::new(answers))
    }

    async fn fetch_x509_bundles(
        &self,
        request: Request<X509BundlesRequest>,
    ) -> Result<Response<Self::FetchX509BundlesStream>, Status> {
        let mut sent: Option<Trust> = None;
        let answers = self.streams.open(connection(&request)?, move |source: &Source| {
            let trust = source.trust()?;
            let known = sent.as_ref().is_some_and(|sent| sent.is(&trust));
            let answer = (!known).then(|| bundles(&trust));
            sent = Some(trust);
            Ok(answer)
        });
        Ok(Response::new(answers))
    }

    async fn fetch_jwtsvid(
        &self,
        request: Request<JwtsvidRequest>,
    ) -> Result<Response<JwtsvidResponse>, Status> {
        let audience = &request.get_ref().audience;
        if audience.is_empty() || audience.iter().any(String::is_empty) {
            return Err(Status::invalid_argument("an audience is required, and none is empty"));
        }
        Err(no_tokens())
    }

    async fn fetch_jwt_bundles(
        &self,
        _: Request<JwtBundlesRequest>,
    ) -> Result<Response<Self::FetchJWTBundlesStream>, Status> {
        Err(no_tokens())
    }

    async fn validate_jwtsvid(
        &self,
        request: Request<ValidateJwtsvidRequest>,
    ) -> Result<Response<ValidateJwtsvidResponse>, Status> {
        let ValidateJwtsvidRequest { audience, svid } = request.get_ref();
        if audience.is_empty() || svid.is_empty() {
            return Err(Status::invalid_argument("an audience and a token are required"));
        }
        Err(no_tokens())
    }

    async fn fetch_witsvid(
        &self,
        _: Request<WitsvidRequest>,
    ) -> Result<Response<Self::FetchWITSVIDStream>, Status> {
        Err(no_wit())
    }

    async fn fetch_wit_bundles(
        &self,
        _: Request<WitBundlesRequest>,
    ) -> Result<Response<Self::FetchWITBundlesStream>, Status> {
        Err(no_wit())
    }
}

/// Every question that came through the gate has one.
pub(super) fn connection<T>(request: &Request<T>) -> Result<&Connection, Status> {
    let connection = request.extensions().get::<Connection>();
    connection.ok_or_else(|| Status::internal("the question did not come through the gate"))
}

/// There is one identity, so that it is the default one and needs no hint.
fn svids(own: &Own) -> X509svidResponse {
    let Own { svid, trust } = own;
    let mut federated_bundles = bundles(trust).bundles;
    let bundle = federated_bundles.remove(&id(trust.own_domain().as_str())).unwrap_or_default();
    let svid = X509svid {
        spiffe_id: svid.identity().to_string(),
        x509_svid: svid.chain().collect::<Vec<_>>().concat(),
        x509_svid_key: svid.key_pkcs8().to_vec(),
        bundle,
        hint: String::new(),
    };
    X509svidResponse { svids: vec![svid], crl: Vec::new(), federated_bundles }
}

fn bundles(trust: &Trust) -> X509BundlesResponse {
    let bundles = trust.all().into_iter().map(|(domain, ders)| (id(domain.as_str()), ders.concat()));
    X509BundlesResponse { crl: Vec::new(), bundles: bundles.collect::<HashMap<_, _>>() }
}

/// A trust domain's own SPIFFE ID.
pub(super) fn id(trust_domain: &str) -> String {
    format!("spiffe://{trust_domain}")
}

fn no_tokens() -> Status {
    Status::unimplemented("the JWT-SVID profile is switched off: this mesh's authority mints no tokens")
}

fn no_wit() -> Status {
    Status::unimplemented("the WIT-SVID profile is not supported")
}
