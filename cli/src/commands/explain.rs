//! `kith explain`: what would become of a call, and why. Exit code 2 says that it would be refused; one that
//! a posture lets through passes.

use http::Method;
use kith_proto::v1::ExplainRequest;

use super::ask::{answered, ask};
use crate::args::{ExplainArgs, Output};
use crate::exit::Exit;
use crate::local::admin::AdminError;
use crate::mesh::Mesh;
use crate::render::{self, explain, json};

/// Asks, and prints the answer.
pub(crate) async fn run(args: ExplainArgs) -> anyhow::Result<Exit> {
    let output = args.ask.output;
    let mesh = Mesh::find(&args.ask).await?;
    let request = request(args)?;
    let answer = ask(&mesh, async |mut admin| admin.explain(request.clone()).await).await?;
    let text = match output {
        Output::Table => explain::table(&request, &answer, mesh.naming()),
        Output::Json => json::pretty(&explain::ExplainJson::new(&request, &answer))?,
    };
    // The question is whether the call passes; of one that only a stricter posture would refuse the answer is yes.
    let passes = answer.allowed || answer.would_deny;
    answered(render::print(&text), if passes { Exit::Ok } else { Exit::Findings })
}

/// The question. What nobody could send is refused here: an answer to it would be about another call.
fn request(args: ExplainArgs) -> Result<ExplainRequest, AdminError> {
    let ExplainArgs { source, destination, method, path, port, .. } = args;
    let bad = |reason: String| Err(AdminError::BadQuestion { reason });
    if let Some(method) = method.as_deref().filter(|method| Method::from_bytes(method.as_bytes()).is_err()) {
        return bad(format!("the method {method:?} is none of HTTP's; name one, such as GET"));
    }
    if path.as_deref() == Some("") {
        return bad("the path is empty; the shortest is \"/\"".to_owned());
    }
    Ok(ExplainRequest {
        source,
        destination,
        method: method.unwrap_or_default(),
        path: path.unwrap_or_default(),
        port: port.unwrap_or_default().into(),
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn asked(arguments: &[&str]) -> Result<ExplainRequest, AdminError> {
        let line = ["kith", "explain", "web", "orders"].iter().chain(arguments);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Explain(args) => request(args),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_nobody_could_send_is_no_question() {
        for arguments in [["", "/"], ["G T", "/"], ["GET\n", "/"], ["GÉT", "/"], ["GET", ""]] {
            assert!(matches!(asked(&arguments), Err(AdminError::BadQuestion { .. })), "{arguments:?}");
        }
        assert_eq!(asked(&["get", "/a"]).unwrap().method, "get");
        assert_eq!(asked(&[]).unwrap().path, "");
    }
}
