//! The two questions, asked of the real API server. Owns the request with the token in it, and that neither it nor the
//! answer, which repeats it, is ever logged (U9): the client library's own decoding would log an answer that it cannot
//! read.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::{Request, header};
use k8s_openapi::api::authentication::v1::TokenReviewStatus;
use k8s_openapi::api::core::v1::Pod;
use kith_proto::pod::TOKEN_AUDIENCE;
use kube::{Api, Client};
use serde::Deserialize;
use tracing::warn;
use zeroize::Zeroizing;

use super::platform::{Away, Platform};
use super::token::Token;

const TOKEN_REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

/// The API server that the client leads to. Needs `create` on `tokenreviews.authentication.k8s.io` and `get` on `pods`.
pub(crate) struct ApiServer(Client);

#[derive(Deserialize)]
struct Answer {
    status: TokenReviewStatus,
}

impl ApiServer {
    pub(crate) fn new(client: Client) -> Self {
        Self(client)
    }

    async fn ask_review(&self, token: &Token) -> Result<TokenReviewStatus, Away> {
        let request = Request::post(TOKEN_REVIEWS)
            .header(header::CONTENT_TYPE, "application/json")
            .body(question(token))
            .map_err(|_| away("the question about a token cannot be asked"))?;
        let answer = self.0.request_text(request).await.map_err(|error| away(&describe(&error)))?;
        let answer = Zeroizing::new(answer);
        let read: Result<Answer, _> = serde_json::from_str(&answer);
        Ok(read.map_err(|_| away("the API server's answer about a token is not a TokenReview"))?.status)
    }

    async fn ask_pod(&self, namespace: &str, name: &str) -> Result<Option<Pod>, Away> {
        let pods: Api<Pod> = Api::namespaced(self.0.clone(), namespace);
        pods.get_opt(name).await.map_err(|error| away(&describe(&error)))
    }
}

impl Platform for ApiServer {
    fn review<'a>(&'a self, token: &'a Token) -> BoxFuture<'a, Result<TokenReviewStatus, Away>> {
        self.ask_review(token).boxed()
    }

    fn pod<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Result<Option<Pod>, Away>> {
        self.ask_pod(namespace, name).boxed()
    }
}

/// A token of the right form consists of characters that JSON takes as they are.
fn question(token: &Token) -> Vec<u8> {
    let token = token.expose();
    format!(
        r#"{{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","spec":{{"token":"{token}","audiences":["{TOKEN_AUDIENCE}"]}}}}"#
    )
    .into_bytes()
}

/// Of what the API server says only its codes: its sentences may repeat what they are about.
fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("it answered {} {}", status.code, status.reason),
        other => other.to_string(),
    }
}

fn away(reason: &str) -> Away {
    warn!(reason, "API server did not answer an attestation");
    Away
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_a_token_review_for_our_audience() {
        let question = question(&Token::new("aGk.aGk.aGk".to_owned()));
        let review: serde_json::Value = serde_json::from_slice(&question).unwrap();
        let spec = serde_json::json!({"token": "aGk.aGk.aGk", "audiences": ["kith.dev/ca"]});
        assert_eq!((&review["kind"], &review["spec"]), (&"TokenReview".into(), &spec));
    }

    // U9
    #[test]
    fn what_is_logged_of_an_answer_has_none_of_its_sentences() {
        let status = kube::core::Status::failure("token aGk.aGk.aGk is strange", "Forbidden").with_code(403);
        let shown = describe(&kube::Error::Api(Box::new(status)));
        assert_eq!(shown, "it answered 403 Forbidden");
    }
}
