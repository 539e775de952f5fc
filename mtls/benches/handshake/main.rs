//! What a handshake costs beside bare rustls, in the same run on the same core: whole, with the peer's chain remembered,
//! and resumed; and what the verifier alone costs. It prints, and asserts nothing about time. Run it with
//! `cargo bench -p kith-mtls`; without `--bench`, or with `--quick`, it only shows that it works.
//!
//! Both ends run on one thread and talk through memory, so a figure is of two ends together. Bare rustls has prebuilt
//! settings and its own verifiers, for the same kind of chain: an svid, one issuing authority, a root. All kinds take turns
//! in each round; a ratio is the median of the rounds' own.
#![expect(clippy::print_stdout, reason = "a table is what it is for")]

mod bare;
mod ends;
mod mesh;
mod verifier;

use std::error::Error;
use std::hint::black_box;

use tokio::time::Instant;

use crate::bare::{Bare, Groups};
use crate::ends::{Acceptor, Connector, Tickets, handshake};
use crate::mesh::Mesh;

/// How often, and how often between two looks at the clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    rounds: usize,
    handshakes: u32,
}

fn main() -> Result<(), Box<dyn Error>> {
    let has = |flag: &str| std::env::args().any(|argument| argument == flag);
    let is_measured = has("--bench") && !has("--quick");
    let effort =
        if is_measured { Effort { rounds: 61, handshakes: 50 } } else { Effort { rounds: 1, handshakes: 2 } };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let mesh = Mesh::new()?;
    println!(
        "{:<48}  {:>12}  {:>12}  {:>6}",
        "handshakes/s on one core, both ends", "bare rustls", "kith", "ratio"
    );
    for (title, pairs) in rows(&mesh)? {
        let row = runtime.block_on(Row::measure(&mesh, &pairs, effort))?;
        println!("{title:<48}  {:>12.0}  {:>12.0}  {:>6.2}", row.bare, row.kith, row.ratio);
    }
    println!();
    runtime.block_on(verifier::measure(&mesh, effort))
}

/// Two ends of bare rustls, and the same with one or both of ours.
struct Pairs {
    bare: (Acceptor, Connector),
    kith: (Acceptor, Connector),
    tickets: Tickets,
    /// Whether the bundles are others at each handshake, so that nothing is remembered.
    is_forgetful: bool,
}

fn rows(mesh: &Mesh) -> Result<Vec<(&'static str, Pairs)>, Box<dyn Error>> {
    let pq = Bare::new(mesh, Groups::Preferred)?;
    let classical = Bare::new(mesh, Groups::Classical)?;
    let pairs = |bare: &Bare, client: Option<Connector>, tickets: Tickets, is_forgetful| Pairs {
        bare: (bare.acceptor(tickets), bare.connector(tickets)),
        kith: (mesh.acceptor(tickets), client.unwrap_or_else(|| bare.connector(tickets))),
        tickets,
        is_forgetful,
    };
    let own = || Some(mesh.connector());
    Ok(vec![
        ("X25519MLKEM768, full, both ends Kith", pairs(&pq, own(), Tickets::None, true)),
        ("X25519MLKEM768, chain remembered, both ends Kith", pairs(&pq, own(), Tickets::None, false)),
        ("X25519MLKEM768, full, foreign client", pairs(&pq, None, Tickets::None, true)),
        ("X25519MLKEM768, chain remembered, foreign client", pairs(&pq, None, Tickets::None, false)),
        ("X25519MLKEM768, resumed, foreign client", pairs(&pq, None, Tickets::Used, false)),
        ("X25519, full, foreign client", pairs(&classical, None, Tickets::None, true)),
        ("X25519, chain remembered, foreign client", pairs(&classical, None, Tickets::None, false)),
        ("X25519, resumed, foreign client", pairs(&classical, None, Tickets::Used, false)),
    ])
}

/// Handshakes per second, medians.
struct Row {
    bare: f64,
    kith: f64,
    ratio: f64,
}

impl Row {
    async fn measure(mesh: &Mesh, pairs: &Pairs, effort: Effort) -> Result<Self, Box<dyn Error>> {
        let (mut bare, mut kith, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
        // The first round warms up, and fetches the first tickets.
        for round in 0..=effort.rounds {
            let one = rate(mesh, &pairs.bare, pairs, effort).await?;
            let other = rate(mesh, &pairs.kith, pairs, effort).await?;
            if round > 0 {
                bare.push(one);
                kith.push(other);
                ratio.push(other / one);
            }
        }
        Ok(Self { bare: median(bare), kith: median(kith), ratio: median(ratio) })
    }
}

async fn rate(
    mesh: &Mesh,
    (acceptor, connector): &(Acceptor, Connector),
    pairs: &Pairs,
    effort: Effort,
) -> Result<f64, Box<dyn Error>> {
    let began = Instant::now();
    for number in 0..effort.handshakes {
        if pairs.is_forgetful {
            mesh.change_bundles(number);
        }
        black_box(handshake(acceptor, connector, pairs.tickets).await?);
    }
    Ok(f64::from(effort.handshakes) / began.elapsed().as_secs_f64())
}

pub(crate) fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
