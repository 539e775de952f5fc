//! The live table: which columns there are at which width, and what stands in them.

use kith_identity::SpiffeId;

use super::{Kind, Outcome, Shown};
use crate::render::table::{self, Cell, Tone};
use crate::render::time;

/// The columns of the live table, for one width of the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    // `None`: not a terminal, nothing is cut at its end.
    width: Option<usize>,
    wide: bool,
}

/// From, to, call, verdict and status.
const FIXED: [usize; 5] = [9, 9, 19, 7, 3];
/// A time with milliseconds, and without.
const LONG_TIME: usize = 12;
const SHORT_TIME: usize = 8;
const TOOK: usize = 7;
/// The narrowest terminal that shows milliseconds, latency and TLS.
const WIDE: usize = 110;
/// `TLS1.3 X25519MLKEM768`.
const TLS: usize = 21;
/// Room for what decided, where the terminal does not say.
const DECIDED: usize = 40;

impl Columns {
    /// For a terminal of this width, or for no terminal.
    pub fn new(width: Option<usize>) -> Self {
        Self { width, wide: width.is_none_or(|width| width >= WIDE) }
    }

    /// The headings.
    pub fn headings(self) -> String {
        let mut names = vec!["TIME", "FROM", "TO", "CALL", "VERDICT", "ST"];
        names.extend(self.wide.then_some("TOOK"));
        names.push("DECIDED BY");
        names.extend(self.wide.then_some("mTLS"));
        let cells: Vec<Cell> = names.into_iter().map(|name| Cell::new(name, Tone::Heading)).collect();
        table::line(&cells, &self.widths(), self.width)
    }

    /// One row.
    pub fn row(self, shown: &Shown) -> String {
        match shown.kind {
            Kind::Call | Kind::SessionRefused => self.call(shown),
            Kind::Identity | Kind::Process => self.notice(shown),
        }
    }

    fn widths(self) -> Vec<usize> {
        let time = if self.wide { LONG_TIME } else { SHORT_TIME };
        let mut widths: Vec<usize> =
            std::iter::once(time).chain(FIXED).chain(self.wide.then_some(TOOK)).collect();
        let used: usize = widths.iter().map(|width| width + 1).sum();
        let left = self.width.map_or(DECIDED, |width| width.saturating_sub(used + 1 + TLS));
        // TLS comes last, where there is room for it; what decided has what is left.
        widths.extend([left, TLS]);
        widths
    }

    fn time(self, shown: &Shown) -> Cell {
        let time = time::of_day(&shown.time);
        let time = if self.wide { time } else { time.get(..SHORT_TIME).unwrap_or(time) };
        Cell::new(time, Tone::Quiet)
    }

    fn call(self, shown: &Shown) -> String {
        let (verdict, tone) = match shown.outcome() {
            _ if shown.verdict == Some("deny") => (Cell::new("DENY", Tone::Bad), Tone::Bad),
            Some(Outcome::Failed) => (Cell::new("FAILED", Tone::Bad), Tone::Bad),
            _ => (Cell::new("allow", Tone::Good), Tone::Plain),
        };
        let mut cells = vec![
            self.time(shown),
            Cell::from(side(shown, shown.src.as_deref(), shown.dst.as_deref())),
            Cell::from(side(shown, shown.dst.as_deref(), shown.src.as_deref())),
            Cell::from(request(shown)),
            verdict,
            Cell::from(shown.status.map_or_else(|| "-".to_owned(), |status| status.to_string())),
        ];
        if self.wide {
            cells.push(Cell::new(shown.latency_us.map(time::latency).unwrap_or_default(), Tone::Quiet));
        }
        cells.push(Cell::new(decided_by(shown), tone));
        // The reason of a refusal takes the room of TLS as well: it is what the reader looks for.
        if let (true, Tone::Plain, Some(tls)) = (self.wide, tone, &shown.tls) {
            cells.push(Cell::new(format!("TLS{} {}", tls.version, tls.group), Tone::Quiet));
        }
        table::line(&cells, &self.widths(), self.width)
    }

    fn notice(self, shown: &Shown) -> String {
        let (what, about) = match shown.kind {
            Kind::Identity => {
                ("● identity", shown.src.as_deref().map(|identity| short_identity(identity, None)))
            }
            _ => ("● process", shown.src.clone()),
        };
        let detail = shown.detail.as_deref().unwrap_or_default();
        let detail =
            if shown.kind == Kind::Identity { format!("rotated {detail}") } else { detail.to_owned() };
        let about = about.unwrap_or_default();
        let cells = [self.time(shown), Cell::from(format!("{what:<10} {about:<9} {detail}"))];
        table::line(&cells, &self.widths(), self.width)
    }
}

/// One side of a call.
fn side(shown: &Shown, identity: Option<&str>, other: Option<&str>) -> String {
    match (identity, shown.kind, shown.reason.as_deref()) {
        (Some(identity), _, _) => short_identity(identity, other),
        (None, Kind::SessionRefused, Some("not_tls")) => "(plain)".to_owned(),
        // It proved nothing that this mesh knows, be it for lack of a certificate or of a known authority.
        (None, Kind::SessionRefused, Some("tls_error" | "no_client_certificate" | "unknown_authority")) => {
            "(no svid)".to_owned()
        }
        (None, _, _) => "(unknown)".to_owned(),
    }
}

fn request(shown: &Shown) -> String {
    match (&shown.method, &shown.path) {
        (Some(method), Some(path)) => format!("{method:<4} {path}"),
        _ => "connection".to_owned(),
    }
}

fn decided_by(shown: &Shown) -> String {
    let sentence = || shown.detail.clone().or_else(|| shown.reason.clone()).unwrap_or_default();
    match (&shown.policy, &shown.rule) {
        (Some(policy), rule) => {
            let name = policy.rsplit('/').next().unwrap_or(policy);
            let rule = rule.as_deref().map(|rule| format!(" {rule}")).unwrap_or_default();
            let failed = shown.verdict == Some("allow") && shown.outcome() == Some(Outcome::Failed);
            if failed { format!("{name}{rule}, then {}", sentence()) } else { format!("{name}{rule}") }
        }
        (None, _) if shown.kind == Kind::SessionRefused => {
            format!(
                "{}: {}",
                shown.reason.as_deref().unwrap_or("refused"),
                shown.detail.as_deref().unwrap_or("")
            )
        }
        (None, _) if shown.reason.as_deref() == Some("default_deny") => {
            format!("default: {}", sentence())
        }
        (None, _) => sentence(),
    }
}

/// The service account, with its namespace where the other side's differs; a foreign identity whole.
pub(super) fn short_identity(identity: &str, other: Option<&str>) -> String {
    let parse = |text: &str| SpiffeId::parse(text).ok();
    let (Some(id), other) = (parse(identity), other.and_then(parse)) else { return identity.to_owned() };
    let foreign = other.as_ref().is_some_and(|other| other.trust_domain() != id.trust_domain());
    match id.service_account() {
        Some(account) if !foreign => {
            let near = other.as_ref().and_then(SpiffeId::service_account);
            let elsewhere = near.is_some_and(|near| near.namespace != account.namespace);
            if elsewhere {
                format!("{}/{}", account.namespace, account.name)
            } else {
                account.name.to_owned()
            }
        }
        _ => identity.to_owned(),
    }
}
