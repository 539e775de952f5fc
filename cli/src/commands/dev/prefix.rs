//! What stands before a line that an application wrote: the name of its service, aligned, and in a colour of its own.
//! Owns that the line itself is harmless: an application must not write on somebody's terminal as if it were Kith.

use owo_colors::{AnsiColors, OwoColorize as _};
use unicode_width::UnicodeWidthStr as _;

use crate::render::escape::escape;

/// Well apart from each other, and none of the colours of a verdict.
const COLOURS: [AnsiColors; 5] =
    [AnsiColors::Cyan, AnsiColors::Magenta, AnsiColors::Blue, AnsiColors::Yellow, AnsiColors::BrightCyan];

/// Prefixes for the services of a mesh.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    services: Vec<String>,
}

impl Prefixes {
    /// For these services; each keeps its colour.
    pub(super) fn of<'a>(services: impl Iterator<Item = &'a str>) -> Self {
        Self { services: services.map(str::to_owned).collect() }
    }

    /// `orders   | text`.
    pub(super) fn line(&self, service: &str, text: &str) -> String {
        let width = self.services.iter().map(|name| name.width()).max().unwrap_or_default();
        let at = self.services.iter().position(|name| name == service).unwrap_or_default();
        let name = escape(service);
        let name = format!("{name}{} |", " ".repeat(width.saturating_sub(name.width())));
        format!("{} {}", name.color(COLOURS[at % COLOURS.len()]), escape(text)).trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn lines_of_all_services_are_aligned_and_told_apart_by_colour() {
        let prefixes = Prefixes::of(["orders", "web"].into_iter());
        let (orders, web) = (prefixes.line("orders", "hello"), prefixes.line("web", "hello"));
        assert_eq!((plain(&orders).as_str(), plain(&web).as_str()), ("orders | hello", "web    | hello"));
        let colour = |line: &str| line.split('m').next().map(str::to_owned);
        assert_ne!(colour(&orders), colour(&web));
        assert_eq!(plain(&prefixes.line("web", "")), "web    |");
    }

    #[test]
    fn an_application_cannot_write_on_a_terminal() {
        // G2
        let line = Prefixes::of(["web"].into_iter()).line("web", "\x1b[2J\rkith: all is well\u{202e}");
        assert_eq!(plain(&line), "web | \\u{1b}[2J\\u{d}kith: all is well\\u{202e}");
    }
}
