//! Step 1: a call that the policies allow, over two hops.

use anyhow::Context as _;
use http::Method;
use tokio::time::Instant;

use super::stage::Stage;
use super::{ALLOWED, LIMIT, Measured};
use crate::local::http_call::call;

pub(super) async fn run(stage: &Stage<'_>) -> anyhow::Result<Measured> {
    let web = stage.mesh.endpoints("web").context("there is no service web")?;
    let url = format!("http://{}/checkout", web.app);
    let began = Instant::now();
    let answer = call(Method::GET, &url, LIMIT).await?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    let body = String::from_utf8_lossy(&answer.body).trim().to_owned();
    Ok(Measured {
        held: answer.status == ALLOWED,
        lines: vec![
            format!("GET {url} answered {} in {took:.1} ms: {body}", answer.status),
            "web → orders → payments, each hop over mutual TLS and decided by a rule".to_owned(),
        ],
    })
}
