//! Arguments of what a supervisor starts. People do not see these verbs.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

/// What to become.
#[derive(Debug, Args)]
pub struct RunApplicationArgs {
    /// The process id of the supervisor
    #[arg(long)]
    pub supervisor: i32,
    /// What lists of processes call it
    #[arg(long)]
    pub title: Option<String>,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub argv: Vec<OsString>,
}

/// Which service of the demo, and where it finds the others. The supervisor sets the variables.
#[derive(Debug, Args)]
pub struct DemoServiceArgs {
    /// Which
    #[arg(value_enum)]
    pub service: DemoService,
    /// The port to listen on
    #[arg(long, env = "PORT")]
    pub port: u16,
    /// Where orders is called
    #[arg(long, env = "ORDERS_URL")]
    pub orders_url: Option<String>,
    /// Where payments is called
    #[arg(long, env = "PAYMENTS_URL")]
    pub payments_url: Option<String>,
    /// Where the sidecar of payments accepts sessions
    #[arg(long, env = "PAYMENTS_INBOUND")]
    pub payments_inbound: Option<String>,
    /// Make no calls of its own
    #[arg(long)]
    pub quiet: bool,
}

/// The services of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DemoService {
    /// The shop's front.
    Web,
    /// Takes orders.
    Orders,
    /// Charges for them.
    Payments,
    /// Should not be here.
    Intruder,
}
