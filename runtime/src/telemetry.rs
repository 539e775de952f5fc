//! Diagnostics: what a process says about itself, on stderr. Owns how lines look and which are shown. The identity
//! log is not here: it is data, goes to stdout, and belongs to the sidecar.

use std::io::{IsTerminal, stderr};
use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// How diagnostics look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Text when stderr is a terminal, JSON when a machine reads it.
    #[default]
    Auto,
    /// Text, coloured on a terminal.
    Text,
    /// One JSON object a line.
    Json,
}

/// Why diagnostics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not one.
    #[error("the log level {level:?} is not one: write error, warn, info, debug, trace, or target=level,...")]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        source: ParseError,
    },
    /// It was set up before.
    #[error("diagnostics were set up before in this process")]
    Twice(#[source] TryInitError),
}

/// Sets diagnostics up for the whole process: `level` is `info`, or per target `info,h2=warn`. Call it once, in `main`.
///
/// A panic becomes an error line too: a task that panics would otherwise end without a trace in the log.
pub fn init(level: &str, format: Format) -> Result<(), TelemetryError> {
    let filter = parse_level(level)?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let terminal = stderr().is_terminal();
    if is_json(format, terminal) {
        lines.json().flatten_event(true).finish().try_init()
    } else {
        lines.with_ansi(terminal).finish().try_init()
    }
    .map_err(TelemetryError::Twice)?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

fn parse_level(level: &str) -> Result<EnvFilter, TelemetryError> {
    // An empty filter would show nothing but errors, which nobody means.
    let filter = if level.trim().is_empty() { "?" } else { level };
    EnvFilter::try_new(filter).map_err(|source| TelemetryError::Level { level: level.into(), source })
}

fn is_json(format: Format, terminal: bool) -> bool {
    match format {
        Format::Auto => !terminal,
        Format::Text => false,
        Format::Json => true,
    }
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    let reason = panic.payload_as_str().unwrap_or("no text");
    let place = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
    tracing::error!(place, reason, "A thread or task panicked");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_levels_per_target_are_understood() {
        for level in ["info", "warn,kith_sidecar=debug", "off"] {
            assert!(parse_level(level).is_ok(), "{level}");
        }
    }

    #[test]
    fn a_level_that_is_none_is_refused_by_name() {
        for level in ["info,h2=loud", "", " "] {
            let error = parse_level(level).unwrap_err().to_string();
            assert!(error.contains(&format!("{level:?}")), "{error}");
        }
    }

    #[test]
    fn a_machine_gets_json_and_a_person_gets_text_unless_asked_otherwise() {
        assert!(is_json(Format::Auto, false));
        assert!(!is_json(Format::Auto, true));
        assert!(is_json(Format::Json, true));
        assert!(!is_json(Format::Text, false));
    }
}
