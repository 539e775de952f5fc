//! Against an API server that holds one ConfigMap, and does with it what a real one does.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use kube::client::Body;
use serde_json::Value;
use tower::service_fn;

use super::*;

/// What is there, and what was asked.
#[derive(Default)]
struct Server {
    there: Option<Value>,
    asked: Vec<Method>,
}

impl Server {
    fn answer(&mut self, method: Method, body: &Value) -> (u16, Value) {
        self.asked.push(method.clone());
        let failure = |code: u16| (code, json!({ "kind": "Status", "status": "Failure", "code": code }));
        let uid = self.there.as_ref().map(|there| there["metadata"]["uid"].clone());
        let applies = body.get("data").is_some();
        match (method, &mut self.there) {
            (Method::PATCH, Some(there)) if applies && there["immutable"] == true => failure(422),
            (Method::PATCH, there) if applies => {
                let mut written = body.clone();
                written["metadata"]["uid"] = uid.unwrap_or_else(|| "new".into());
                (200, there.insert(written).clone())
            }
            (_, None) => failure(404),
            (Method::GET, Some(there)) => (200, there.clone()),
            (Method::DELETE, Some(_)) if body["preconditions"]["uid"] != uid.unwrap() => failure(409),
            (Method::DELETE, Some(there)) if there["metadata"].get("finalizers").is_some() => {
                (200, there.clone())
            }
            (Method::PATCH, Some(there)) if body["metadata"]["uid"] == there["metadata"]["uid"] => {
                (200, self.there.take().unwrap())
            }
            (Method::DELETE, Some(_)) => (200, self.there.take().unwrap()),
            _ => failure(409),
        }
    }
}

fn client(server: &Arc<Mutex<Server>>) -> Client {
    let server = Arc::clone(server);
    let service = service_fn(move |request: Request<Body>| {
        let server = Arc::clone(&server);
        async move {
            let method = request.method().clone();
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            let (code, answer) = server.lock().unwrap().answer(method, &body);
            let answer = Body::from(answer.to_string().into_bytes());
            Ok::<_, Infallible>(Response::builder().status(code).body(answer).unwrap())
        }
    });
    Client::new(service, "default")
}

fn map(more: Value) -> Value {
    let mut map = json!({ "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": NAME, "namespace": "shop", "uid": "old" }, "data": { "roots.pem": "theirs" } });
    merge(&mut map, more);
    map
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            more.into_iter().for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
        }
        (into, more) => *into = more,
    }
}

async fn written_over(there: Option<Value>) -> (kube::Result<ConfigMap>, Server) {
    let server = Arc::new(Mutex::new(Server { there, asked: Vec::new() }));
    let ours = ConfigMap { data: Some([("roots.pem".into(), "ours".into())].into()), ..ConfigMap::default() };
    let written = write(client(&server), "shop", &ours).await;
    (written, std::mem::take(&mut *server.lock().unwrap()))
}

#[tokio::test]
async fn a_map_that_takes_what_we_write_is_never_deleted() {
    for there in [None, Some(map(json!({})))] {
        let (written, server) = written_over(there).await;
        assert_eq!(written.unwrap().data.unwrap()["roots.pem"], "ours");
        assert_eq!(server.asked, [Method::PATCH]);
    }
}

#[tokio::test]
async fn a_map_that_was_made_immutable_is_deleted_and_written_anew_whatever_holds_it() {
    for held in [json!({}), json!({ "metadata": { "finalizers": ["theirs.example/stays"] } })] {
        let mut there = map(json!({ "immutable": true }));
        merge(&mut there, held);
        let (written, server) = written_over(Some(there)).await;
        assert_eq!(written.unwrap().metadata.uid.as_deref(), Some("new"));
        assert_eq!(server.there.unwrap()["data"]["roots.pem"], "ours");
    }
}

#[test]
fn only_what_is_invalid_is_written_anew() {
    let after = |code| {
        let status = kube::core::Status::failure("said", "Reason").with_code(code);
        Next::after(&kube::Error::Api(Box::new(status)))
    };
    assert_eq!(after(422), Next::Anew);
    for code in [400, 401, 403, 404, 409, 413, 429, 500, 503] {
        assert_eq!(after(code), Next::Later, "{code}");
    }
    assert_eq!(Next::after(&kube::Error::LinesCodecMaxLineLengthExceeded), Next::Later);
}
