//! What these tests share: an authority, svids of it as a Workload API sends them, and a Workload API that answers as it is
//! told to. Times are offsets in seconds from one fixed instant.

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use kith_proto::spiffe::spiffe_workload_api_server::{SpiffeWorkloadApi, SpiffeWorkloadApiServer};
use kith_proto::spiffe::{
    JwtBundlesRequest, JwtBundlesResponse, JwtsvidRequest, JwtsvidResponse, ValidateJwtsvidRequest,
    ValidateJwtsvidResponse, WitBundlesRequest, WitBundlesResponse, WitsvidRequest, WitsvidResponse,
    X509BundlesRequest, X509BundlesResponse, X509svid, X509svidRequest, X509svidResponse,
};
use kith_runtime::Tasks;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};
use tokio::net::UnixListener;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::update::Update;

pub(crate) const WEB: &str = "spiffe://demo.local/ns/shop/sa/web";
const HOUR: i64 = 3600;

/// The fixed instant, moved by `offset` seconds.
pub(crate) fn at(offset: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((1_800_000_000 + offset).try_into().unwrap())
}

/// An authority, and the only anchor of its trust domain.
pub(crate) struct Ca {
    key: KeyPair,
    params: CertificateParams,
    pub(crate) der: Vec<u8>,
}

impl Ca {
    /// Without an identity, as roots often are.
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// With the identity of a trust domain.
    pub(crate) fn named(identity: &str) -> Self {
        Self::with(|params| params.subject_alt_names = vec![SanType::URI(identity.try_into().unwrap())])
    }

    fn with(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "root");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (at(-HOUR).into(), at(24 * HOUR).into());
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().to_vec();
        Self { key, params, der }
    }

    /// A leaf for this identity that holds for so many seconds, with its key.
    pub(crate) fn leaf(&self, identity: &str, seconds: i64) -> (Vec<u8>, KeyPair) {
        self.leaf_with(identity, seconds, |_| ())
    }

    pub(crate) fn leaf_with(
        &self,
        identity: &str,
        seconds: i64,
        spoil: impl FnOnce(&mut CertificateParams),
    ) -> (Vec<u8>, KeyPair) {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(identity.try_into().unwrap())];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.is_ca = IsCa::ExplicitNoCa;
        (params.not_before, params.not_after) = (at(-60).into(), at(seconds).into());
        spoil(&mut params);
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        (params.signed_by(&key, &issuer).unwrap().der().to_vec(), key)
    }

    /// As a Workload API sends it.
    pub(crate) fn svid(&self, identity: &str, seconds: i64) -> X509svid {
        let (leaf, key) = self.leaf(identity, seconds);
        X509svid {
            spiffe_id: identity.to_owned(),
            x509_svid: leaf,
            x509_svid_key: key.serialize_der(),
            bundle: self.der.clone(),
            hint: String::new(),
        }
    }
}

/// A message with these svids and nothing else.
pub(crate) fn message(svids: impl IntoIterator<Item = X509svid>) -> X509svidResponse {
    X509svidResponse { svids: svids.into_iter().collect(), crl: vec![], federated_bundles: HashMap::new() }
}

/// One svid of `web` for an hour, checked at the fixed instant.
pub(crate) fn update(ca: &Ca) -> Update {
    Update::check(message([ca.svid(WEB, HOUR)]), at(0)).unwrap()
}

/// What a call of `FetchX509SVID` is answered.
pub(crate) enum Answer {
    Refuse(Status),
    /// These messages; the stream then stays open.
    Stay(Vec<X509svidResponse>),
    /// These messages; the stream then ends.
    End(Vec<X509svidResponse>),
}

/// A Workload API that gives each call its next answer, and refuses as unavailable when there is none left.
pub(crate) struct FakeApi {
    answers: Mutex<VecDeque<Answer>>,
}

impl FakeApi {
    /// Serves on a socket for as long as the tasks live.
    pub(crate) fn serve(socket: &Path, answers: impl IntoIterator<Item = Answer>) -> Tasks {
        let listener = UnixListener::bind(socket).unwrap();
        let api = Self { answers: Mutex::new(answers.into_iter().collect()) };
        let service = SpiffeWorkloadApiServer::from_arc(Arc::new(api));
        let incoming = stream::unfold(listener, async |listener| {
            Some((listener.accept().await.map(|(stream, _)| stream), listener))
        });
        let tasks = Tasks::new();
        tasks.spawn(async move {
            Server::builder().serve_with_incoming(service, incoming.boxed()).await.unwrap();
        });
        tasks
    }
}

type Messages<T> = BoxStream<'static, Result<T, Status>>;

#[tonic::async_trait]
impl SpiffeWorkloadApi for FakeApi {
    type FetchX509SVIDStream = Messages<X509svidResponse>;
    type FetchX509BundlesStream = Messages<X509BundlesResponse>;
    type FetchJWTBundlesStream = Messages<JwtBundlesResponse>;
    type FetchWITSVIDStream = Messages<WitsvidResponse>;
    type FetchWITBundlesStream = Messages<WitBundlesResponse>;

    async fn fetch_x509svid(
        &self,
        request: Request<X509svidRequest>,
    ) -> Result<Response<Self::FetchX509SVIDStream>, Status> {
        if request.metadata().get("workload.spiffe.io").is_none_or(|value| value != "true") {
            return Err(Status::invalid_argument("no header"));
        }
        let next = self.answers.lock().unwrap().pop_front();
        let messages = |messages: Vec<_>| stream::iter(messages.into_iter().map(Ok));
        match next.unwrap_or_else(|| Answer::Refuse(Status::unavailable("nothing left to say"))) {
            Answer::Refuse(status) => Err(status),
            Answer::Stay(all) => Ok(Response::new(messages(all).chain(stream::pending()).boxed())),
            Answer::End(all) => Ok(Response::new(messages(all).boxed())),
        }
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

/// A text whose long rows of hexadecimal digits are masked, and the numbers behind `at byte`.
pub(crate) fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = rest.bytes().take_while(is_digit).count();
        let behind_place = masked.ends_with("at byte ") || masked.ends_with("\"offset\": ");
        let (run, after) = rest.split_at(digits.max(rest.chars().next().map_or(0, char::len_utf8)));
        let is_masked = digits >= 8 || (digits > 0 && behind_place);
        masked.push_str(if is_masked { "#" } else { run });
        rest = after;
    }
    masked
}
