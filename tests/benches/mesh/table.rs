//! The table, as text.

use std::fmt::Write as _;

use crate::effort::Effort;
use crate::results::{Results, Row, Who};

const COLUMNS: [(Who, &str); 3] = [(Who::Direct, "direct"), (Who::Haproxy, "HAProxy"), (Who::Kith, "kith")];

/// Renders median and best of every cell, and how many times HAProxy's median kith's is.
pub(crate) fn render(results: &Results, effort: &Effort) -> String {
    let mut lines = vec![header()];
    lines.extend(results.rows().map(|row| line(results, row, effort)));
    let columns = lines.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| lines.iter().filter_map(|line| Some(line.get(column)?.len())).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    lines.iter().fold(String::new(), |mut text, line| {
        for (column, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            // Writing to a String cannot fail.
            let _ = match column {
                0 => write!(text, "{cell:<width$}"),
                _ => write!(text, "  {cell:>width$}"),
            };
        }
        text.push('\n');
        text
    })
}

fn header() -> Vec<String> {
    let names = COLUMNS.iter().map(|(_, name)| (*name).to_owned());
    [String::from("median [best]")].into_iter().chain(names).chain(["kith / HAProxy".to_owned()]).collect()
}

fn line(results: &Results, row: Row, effort: &Effort) -> Vec<String> {
    let digits = row.digits();
    let cell = |who| match (results.median(row, who), results.best(row, who)) {
        (Some(median), Some(best)) => format!("{median:.digits$} [{best:.digits$}]"),
        _ => "-".to_owned(),
    };
    let ratio = match (results.median(row, Who::Kith), results.median(row, Who::Haproxy)) {
        (Some(kith), Some(haproxy)) if haproxy > 0.0 => format!("{:.2}", kith / haproxy),
        _ => "-".to_owned(),
    };
    let cells = COLUMNS.iter().map(|(who, _)| cell(*who));
    [row.title(effort)].into_iter().chain(cells).chain([ratio]).collect()
}
