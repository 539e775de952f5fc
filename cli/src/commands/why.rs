//! `kith why`: what a denial id stands for, and what would allow the call. Exit code 1 says that nobody knows it.

use std::path::PathBuf;
use std::time::Duration;

use kith_proto::v1::WhyResponse;
use tokio::time::{Instant, sleep};

use super::ask::{self, answered, ask};
use crate::args::{Output, WhyArgs};
use crate::exit::Exit;
use crate::local::admin::{Admin, AdminError};
use crate::mesh::Mesh;
use crate::render::why::{Place, Why};
use crate::render::{self, json};

/// As few digits as name a denial in the rows of `kith tap`, and as many as it has.
const DIGITS: std::ops::RangeInclusive<usize> = 8..=32;
/// How long a refusal may take to become known: sidecars send their lines in batches.
const LATEST: Duration = Duration::from_millis(1_500);
const AGAIN: Duration = Duration::from_millis(100);

/// Asks, and prints the answer.
pub(crate) async fn run(args: WhyArgs) -> anyhow::Result<Exit> {
    let id = id_in(&args.id)?;
    let mesh = Mesh::find(&args.ask).await?;
    let answer = ask(&mesh, async |mut admin| until_known(&mut admin, &id).await).await?;
    let place = place(&mesh).await;
    let why = Why::new(&answer, &place);
    if !why.is_readable() {
        render::report("kith: the line of this refusal is of another version");
    }
    let text = match args.ask.output {
        Output::Table => why.table(),
        Output::Json => json::pretty(&why.json())?,
    };
    answered(render::print(&text), Exit::Ok)
}

/// Where what is suggested may be written. Without the folder, the answer only says less of it.
async fn place(mesh: &Mesh) -> Place {
    if mesh.installation().is_some() {
        return Place::Cluster;
    }
    let folder = ask::status(mesh).await.ok().map(|status| PathBuf::from(status.policies_folder));
    Place::Folder(folder)
}

/// Asks until the id is known, for as long as the line of a call that has just been refused may take to arrive.
async fn until_known(admin: &mut Admin, id: &str) -> Result<WhyResponse, AdminError> {
    let deadline = Instant::now() + LATEST;
    loop {
        match admin.why(id).await {
            Err(AdminError::UnknownDenial { .. }) if Instant::now() < deadline => sleep(AGAIN).await,
            answer => return answer,
        }
    }
}

/// The id in what people copy: the id, its beginning, `#c81916ad`, or the whole line `refused, denial c81916ad...`.
fn id_in(text: &str) -> Result<String, AdminError> {
    let last = text.split_whitespace().next_back().unwrap_or_default();
    let id = last.trim_start_matches('#').to_ascii_lowercase();
    if DIGITS.contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(id);
    }
    let reason = format!("{text:?} is no denial id; give 8 to 32 hexadecimal digits, such as c81916ad");
    Err(AdminError::BadQuestion { reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_in_whatever_form_people_copy() {
        let whole = "0123456789abcdef0123456789abcdef";
        for (text, want) in [
            (whole, whole),
            ("01234567", "01234567"),
            ("#01234567", "01234567"),
            ("0123456789ABCDEF", "0123456789abcdef"),
            ("refused, denial 0123456789abcdef0123456789abcdef\n", whole),
            ("kith-denial-id: 0123456789abcdef0123456789abcdef", whole),
        ] {
            assert_eq!(id_in(text).unwrap(), want, "{text:?}");
        }
        for text in ["0123456", "0123456789abcdef0123456789abcdef0", "0123456g", "refused", " ", "01234567 x"]
        {
            assert!(matches!(id_in(text), Err(AdminError::BadQuestion { .. })), "{text:?}");
        }
    }
}
