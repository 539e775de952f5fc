//! Envoy's Secret Discovery Service (v3), with the resource names of SPIRE, so that a configuration written for one works
//! with the other. Owns the streams; which resource a name means is `secrets`', what an answer is answered with
//! `subscription`'s.

mod secrets;
mod subscription;

use kith_proto::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use kith_proto::envoy::service::secret::v3::secret_discovery_service_server::SecretDiscoveryService;
use tonic::{Request, Response, Status, Streaming};

use super::complaints::Complaints;
use super::stream::{Answers, Over, Streams, Writer};
use super::x509::connection;
use subscription::Subscription;

/// Answers Envoy.
#[derive(Debug, Clone)]
pub(super) struct Sds {
    streams: Streams,
    rejections: Complaints,
}

impl Sds {
    pub(super) fn new(streams: Streams) -> Self {
        Self { streams, rejections: Complaints::default() }
    }
}

#[tonic::async_trait]
impl SecretDiscoveryService for Sds {
    type StreamSecretsStream = Answers<DiscoveryResponse>;

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let connection = connection(&request)?.clone();
        let (mut source, mut requests) = (self.streams.source.clone(), request.into_inner());
        let mut subscription = Subscription::new(self.rejections.clone());
        let answers = self.streams.run(&connection, |writer: Writer<DiscoveryResponse>| async move {
            loop {
                tokio::select! {
                    request = requests.message() => match request? {
                        Some(request) => subscription.take(&request)?,
                        None => return Err(Over::Untold),
                    },
                    changed = source.changed() => changed?,
                }
                if let Some(answer) = subscription.due(&source)? {
                    writer.write(answer).await?;
                }
            }
        });
        Ok(Response::new(answers))
    }

    async fn fetch_secrets(
        &self,
        request: Request<DiscoveryRequest>,
    ) -> Result<Response<DiscoveryResponse>, Status> {
        let mut subscription = Subscription::new(self.rejections.clone());
        subscription.take(request.get_ref())?;
        let answer = subscription.due(&self.streams.source)?;
        answer.map(Response::new).ok_or_else(|| Status::internal("the first question has no answer"))
    }
}

#[cfg(test)]
mod tests;
