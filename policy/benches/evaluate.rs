//! What one decision costs, among 10 to 10,000 policies of which few match. It prints, and asserts nothing about
//! time. Run it with `cargo bench -p kith-policy`; without `--bench` it only shows that it works.
//!
//! Allocations are not counted here: a counting allocator would need unsafe code, which the workspace forbids. What
//! keeps the allow path free of them is tested beside it: an index that hands out numbers, a canonical path that
//! borrows, and a verdict that shares the names of its rule.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use kith_identity::{SpiffeId, TrustDomain};
use kith_policy::document::{
    Action, AuthorizationPolicy, HttpOperation, Method, Name, OneOrMore, Operation, Rule, RuleName, Source,
    Targets,
};
use kith_policy::{Call, PathTemplate, PolicySet, Quarantines, Request, Revision, Verdict, evaluate};

const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];
const PORT: u16 = 8080;

/// How often a call is decided: `calls` times without looking at the clock, `rounds` times over.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rounds: usize,
    calls: u32,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let effort =
        if is_measured { Effort { rounds: 31, calls: 100_000 } } else { Effort { rounds: 3, calls: 100 } };
    println!(
        "{:>8}  {:>10}  {:>12}  {:>12}  {:>14}",
        "policies", "allow, ns", "as gRPC, ns", "deny, ns", "quarantine, ns"
    );
    for size in SIZES {
        let row = Row::measure(size, effort)?;
        println!(
            "{size:>8}  {:>10.0}  {:>12.0}  {:>12.0}  {:>14.0}",
            row.allow, row.allow_grpc_looking, row.deny, row.quarantined
        );
    }
    Ok(())
}

/// Nanoseconds per decision.
struct Row {
    /// By identity, method and path.
    allow: f64,
    /// The same, of a call that says it is gRPC.
    allow_grpc_looking: f64,
    /// By default, with its nearest miss: what is paid for a reason.
    deny: f64,
    /// Before any policy is asked.
    quarantined: f64,
}

impl Row {
    fn measure(size: usize, effort: Effort) -> Result<Self, Box<dyn std::error::Error>> {
        let own = TrustDomain::parse("demo.local")?;
        let policies = (0..size).map(policy).collect::<Result<Vec<_>, _>>()?;
        let set = PolicySet::compile(&own, &policies, Revision { epoch: 1, counter: 1 })?;
        let identity = |name: &str| SpiffeId::for_service_account(&own, "demo", name);
        let (caller, stranger, payments) =
            (identity(&caller(size / 2))?, identity("stranger")?, identity("payments")?);
        let request = |grpc| Request::Http { method: "POST", path: "/charges/7/lines", grpc };
        let call = |source, grpc| Call { source, destination: &payments, port: PORT, request: request(grpc) };
        // As many as a bad day has; the identity that is looked for is not the first of them.
        let names = (0..100).map(|number| identity(&format!("q{number}")));
        let some = names.collect::<Result<Quarantines, _>>()?;
        let cut_off = identity("q50")?;

        let cost = |call: &Call<'_>, is_allowed| nanoseconds(&set, &some, call, is_allowed, effort);
        Ok(Self {
            allow: cost(&call(&caller, false), true)?,
            allow_grpc_looking: cost(&call(&caller, true), true)?,
            deny: cost(&call(&stranger, false), false)?,
            quarantined: cost(&call(&cut_off, false), false)?,
        })
    }
}

fn caller(number: usize) -> String {
    format!("caller-{number}")
}

/// Each allows one caller one path; one of a hundred allows a path to anybody, on a port of its own.
fn policy(number: usize) -> Result<AuthorizationPolicy, Box<dyn std::error::Error>> {
    let namespace = Name::parse("demo")?;
    let for_anybody = number % 100 == 99;
    let source = Source::ServiceAccount { namespace: namespace.clone(), name: Name::parse(&caller(number))? };
    let port = if for_anybody { PORT + 1 } else { PORT };
    let operation = HttpOperation {
        methods: OneOrMore::new(vec![Method::parse("GET")?, Method::parse("POST")?]),
        paths: OneOrMore::new(vec![
            PathTemplate::parse("/orders/**")?,
            PathTemplate::parse("/charges/{id}/lines")?,
        ]),
    };
    let rule = Rule {
        name: RuleName::numbered(1),
        sources: (!for_anybody).then(|| vec![source]),
        ports: OneOrMore::new(vec![port]),
        operations: OneOrMore::new(vec![Operation::Http(operation)]),
        origin: None,
    };
    Ok(AuthorizationPolicy {
        name: Name::parse(&format!("p{number}"))?,
        targets: Targets::namespace(namespace.clone()),
        namespace,
        action: Action::Allow,
        rules: vec![rule],
        origin: None,
    })
}

/// The median of the rounds. A decision that is not the expected one would be measured for nothing.
fn nanoseconds(
    set: &PolicySet,
    quarantines: &Quarantines,
    call: &Call<'_>,
    is_allowed: bool,
    effort: Effort,
) -> Result<f64, String> {
    let decide = || evaluate(black_box(set), black_box(quarantines), black_box(call), SystemTime::UNIX_EPOCH);
    let verdict = decide();
    if verdict.is_allow() != is_allowed {
        return Err(format!("the bench wants another verdict than {verdict:?}"));
    }
    let mut rounds: Vec<Duration> = (0..effort.rounds).map(|_| timed(effort.calls, decide)).collect();
    rounds.sort_unstable();
    Ok(rounds[rounds.len() / 2].as_secs_f64() * 1e9 / f64::from(effort.calls))
}

#[expect(
    clippy::disallowed_methods,
    reason = "measuring is reading the clock; nothing depends on what it says"
)]
fn timed(calls: u32, decide: impl Fn() -> Verdict) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        black_box(decide());
    }
    start.elapsed()
}
