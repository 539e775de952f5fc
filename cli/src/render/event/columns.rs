//! The live table: which columns there are at which width, and what stands in them.

use super::{Kind, Outcome, Shown, WOULD_DENY};
use crate::render::name::Naming;
use crate::render::table::{self, Cell, Tone};
use crate::render::time;

/// The columns of the live table, for one width of the terminal.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    // `None`: not a terminal, nothing is cut at its end.
    width: Option<usize>,
    wide: bool,
    sides: Sides,
}

/// What stands in the columns from and to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sides {
    /// The names of a mesh on one machine.
    Local,
    /// In a cluster, where there is no room for pods: what they run as.
    Accounts,
    Pods,
}

/// From and to: on one machine, and in a cluster by service accounts, with a little room and with more.
const SIDE: usize = 9;
const NARROW_ACCOUNT: usize = 14;
const ACCOUNT: usize = 17;
/// And by pods, whose names end in what tells them apart.
const POD: usize = 26;
const WIDE_POD: usize = 36;
const END_OF_POD: usize = 6;
/// The narrowest terminal that shows pods, and then also what `WIDE` shows.
const WITH_PODS: usize = 120;
const WIDE_WITH_PODS: usize = 170;
/// The call, and where every column counts.
const CALL: usize = 19;
const NARROW_CALL: usize = 16;
const VERDICT: usize = 7;
const STATUS: usize = 3;
/// A time with milliseconds, and without.
const LONG_TIME: usize = 12;
const SHORT_TIME: usize = 8;
const TOOK: usize = 7;
/// The narrowest terminal that shows why in a few words, and then which denial it was.
const WITH_REASON: usize = 100;
/// The narrowest terminal that shows milliseconds, latency and TLS.
const WIDE: usize = 110;
/// The narrowest terminal that shows why in a whole sentence.
const WITH_SENTENCE: usize = 140;
/// `TLS1.3 X25519MLKEM768`.
const TLS: usize = 21;
/// Room for what decided, where the terminal does not say.
const DECIDED: usize = 40;
/// Digits of a denial's id that find it in a log.
const ID_DIGITS: usize = 8;
/// Errors of the application, as of HTTP, begin here.
const BAD_STATUS: u16 = 400;
/// Codes of connections whose other end proved nothing that this mesh knows.
const NO_SVID: [&str; 9] = [
    "tls_error",
    "handshake_too_large",
    "no_client_certificate",
    "unknown_authority",
    "distrusted_authority",
    "untrusted_domain",
    "svid_expired",
    "not_yet_valid",
    "bad_certificate",
];

impl Columns {
    /// For a terminal of this width, or for no terminal, and a mesh whose workloads are named so.
    pub fn new(width: Option<usize>, naming: Naming) -> Self {
        let has = |columns: usize| width.is_none_or(|width| width >= columns);
        let (sides, wide) = match naming {
            Naming::Local => (Sides::Local, has(WIDE)),
            Naming::Cluster if has(WITH_PODS) => (Sides::Pods, has(WIDE_WITH_PODS)),
            Naming::Cluster => (Sides::Accounts, false),
        };
        Self { width, wide, sides }
    }

    fn has(self, columns: usize) -> bool {
        self.width.is_none_or(|width| width >= columns)
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
            Kind::Identity | Kind::Quarantine | Kind::Process | Kind::Policies | Kind::Log => {
                self.notice(shown)
            }
        }
    }

    fn widths(self) -> Vec<usize> {
        let time = if self.wide { LONG_TIME } else { SHORT_TIME };
        let call = if self.has(WITH_REASON) { CALL } else { NARROW_CALL };
        let side = self.side_width();
        let mut widths = vec![time, side, side, call, VERDICT, STATUS];
        widths.extend(self.wide.then_some(TOOK));
        let used: usize = widths.iter().map(|width| width + 1).sum();
        let left = self.width.map_or(DECIDED, |width| width.saturating_sub(used + 1 + TLS));
        // TLS comes last, where there is room for it; what decided has what is left.
        widths.extend([left, TLS]);
        widths
    }

    fn side_width(self) -> usize {
        match (self.sides, self.wide) {
            (Sides::Local, _) => SIDE,
            (Sides::Accounts, _) if self.has(WITH_REASON) => ACCOUNT,
            (Sides::Accounts, _) => NARROW_ACCOUNT,
            (Sides::Pods, false) => POD,
            (Sides::Pods, true) => WIDE_POD,
        }
    }

    fn time(self, shown: &Shown) -> Cell {
        let time = time::of_day(&shown.time);
        let time = if self.wide { time } else { time.get(..SHORT_TIME).unwrap_or(time) };
        Cell::new(time, Tone::Quiet)
    }

    fn call(self, shown: &Shown) -> String {
        let (denied, would) = (shown.verdict == Some("deny"), shown.verdict == Some(WOULD_DENY));
        let failed = matches!(shown.outcome(), Some(Outcome::Failed | Outcome::Unanswered));
        let (verdict, tone) = match (denied, failed) {
            (true, _) => (Cell::new("DENY", Tone::Bad), Tone::Bad),
            (false, true) => (Cell::new("FAILED", Tone::Bad), Tone::Bad),
            (false, false) if would => (Cell::new("WOULD", Tone::Bad), Tone::Bad),
            (false, false) => (Cell::new("allow", Tone::Good), Tone::Plain),
        };
        let decided = match (denied, would) {
            (true, _) => self.refusal(shown),
            (false, true) => format!("would be denied: {}", self.refusal(shown)),
            (false, false) => decided_by(shown),
        };
        let mut cells = vec![
            self.time(shown),
            Cell::from(self.side(shown, End::Source)),
            Cell::from(self.side(shown, End::Destination)),
            Cell::from(shown.request()),
            verdict,
            status(shown),
        ];
        if self.wide {
            cells.push(Cell::new(shown.latency_us.map(time::latency).unwrap_or_default(), Tone::Quiet));
        }
        cells.push(Cell::new(decided, tone));
        // The reason of a refusal takes the room of TLS as well: it is what the reader looks for.
        if let (true, Tone::Plain, Some(tls)) = (self.wide, tone, &shown.tls) {
            cells.push(Cell::new(format!("TLS{} {}", tls.version, tls.group), Tone::Quiet));
        }
        table::line(&cells, &self.widths(), self.width)
    }

    fn side(self, shown: &Shown, end: End) -> String {
        let (src, dst) = (shown.src.as_deref(), shown.dst.as_deref());
        let (identity, other, workload) = match end {
            End::Source => (src, dst, shown.src_workload.as_deref()),
            End::Destination => (dst, src, shown.dst_workload.as_deref()),
        };
        let Some(identity) = identity else {
            let named = workload.filter(|_| self.sides != Sides::Local);
            return shortened(&unproven(shown, named), self.side_width());
        };
        match (self.sides, workload) {
            (Sides::Local, _) => Naming::Local.of(identity, other),
            (Sides::Pods, Some(pod)) => shortened(pod, self.side_width()),
            (Sides::Pods, None) | (Sides::Accounts, _) => Naming::Cluster.of(identity, other),
        }
    }

    /// Which denial it was, and why the call was refused: in a word, or with more room in the whole sentence. Where both
    /// do not fit, the id comes first: `kith why` has the rest.
    fn refusal(self, shown: &Shown) -> String {
        let id = shown.denial_id.as_deref().map(|id| format!("#{}", id.get(..ID_DIGITS).unwrap_or(id)));
        let sentence = shown.detail.as_deref().filter(|_| self.has(WITH_SENTENCE) && shown.policy.is_none());
        let reason = short_reason(shown, sentence.is_some());
        let words = if self.has(WITH_REASON) { [Some(reason), id] } else { [id, Some(reason)] };
        let mut text = words.into_iter().flatten().collect::<Vec<_>>().join(" ");
        if let Some(sentence) = sentence {
            text.push_str(&format!(": {sentence}"));
        }
        text
    }

    fn notice(self, shown: &Shown) -> String {
        let detail = shown.detail.as_deref().unwrap_or_default();
        let text = match shown.kind {
            Kind::Identity => {
                format!("● identity {:<9} rotated {detail}", self.side(shown, End::Source))
            }
            Kind::Quarantine => {
                let (who, place) = (self.side(shown, End::Source), self.side(shown, End::Destination));
                format!("● quarantine  {who} {detail}, at {place}")
            }
            Kind::Policies => format!("● policies  {detail}"),
            _ => format!("● process  {:<9} {detail}", shown.src.as_deref().unwrap_or_default()),
        };
        let tone = if shown.reason.is_some() { Tone::Bad } else { Tone::Plain };
        let cells = [self.time(shown), Cell::new(text, tone)];
        // What somebody has just edited is worth a second line of the terminal.
        let limit = self.width.filter(|_| shown.kind != Kind::Policies);
        table::line(&cells, &self.widths(), limit)
    }
}

/// One of the two who have to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Source,
    Destination,
}

/// Whoever proved no identity: by the pod that has the address, in brackets, or by what was wrong.
fn unproven(shown: &Shown, workload: Option<&str>) -> String {
    match (workload, shown.kind, shown.reason.as_deref()) {
        (Some(workload), _, _) => format!("({workload})"),
        (None, Kind::SessionRefused, Some("not_tls" | "plaintext")) => "(plain)".to_owned(),
        (None, Kind::SessionRefused, Some(reason)) if NO_SVID.contains(&reason) => "(no svid)".to_owned(),
        (None, _, _) => "(unknown)".to_owned(),
    }
}

/// The beginning and the end of a pod's name, where there is no room for all of it.
fn shortened(pod: &str, width: usize) -> String {
    let length = pod.chars().count();
    if length <= width {
        return pod.to_owned();
    }
    let start: String = pod.chars().take(width.saturating_sub(END_OF_POD + 1)).collect();
    let end: String = pod.chars().skip(length - END_OF_POD.min(length)).collect();
    format!("{start}…{end}")
}

/// An answer that is bad news stands out, although the mesh did its part.
fn status(shown: &Shown) -> Cell {
    match shown.status {
        Some(status) if status >= BAD_STATUS => Cell::new(status.to_string(), Tone::Bad),
        Some(status) => Cell::from(status.to_string()),
        None => Cell::from("-"),
    }
}

/// The reason of a refusal in as few words as name it; a sentence that follows says the rest.
fn short_reason(shown: &Shown, sentence_follows: bool) -> String {
    match (&shown.policy, shown.reason.as_deref()) {
        (Some(policy), _) => rule_of(policy, shown.rule.as_deref()),
        (None, Some("default_deny")) if sentence_follows => "default".to_owned(),
        // True of every default denial; a rule about this very caller may have failed on another field.
        (None, Some("default_deny")) => "no rule allows it".to_owned(),
        (None, reason) => reason.unwrap_or("refused").to_owned(),
    }
}

fn decided_by(shown: &Shown) -> String {
    let reason = shown.detail.as_deref().or(shown.reason.as_deref()).unwrap_or_default();
    let failed = matches!(shown.outcome(), Some(Outcome::Failed | Outcome::Unanswered));
    match &shown.policy {
        Some(policy) if failed => format!("{reason} after {}", rule_of(policy, shown.rule.as_deref())),
        Some(policy) => rule_of(policy, shown.rule.as_deref()),
        None => reason.to_owned(),
    }
}

fn rule_of(policy: &str, rule: Option<&str>) -> String {
    let name = policy.rsplit('/').next().unwrap_or(policy);
    rule.map_or_else(|| name.to_owned(), |rule| format!("{name} {rule}"))
}
