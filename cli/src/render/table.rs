//! Columns. Owns alignment by display width, cutting, and the rule that a cell is escaped before it is measured.

use owo_colors::{OwoColorize as _, Style};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::escape::escape;

const GAP: &str = " ";
const CUT: char = '…';

/// What a cell means; the text says the same without colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Nothing special.
    Plain,
    /// A heading.
    Heading,
    /// As it should be.
    Good,
    /// Refused or broken.
    Bad,
    /// By the way.
    Quiet,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Heading => Style::new().bold(),
            Self::Good => Style::new().green(),
            Self::Bad => Style::new().red().bold(),
            Self::Quiet => Style::new().dimmed(),
        }
    }

    /// The text in this tone.
    pub fn paint(self, text: &str) -> String {
        // Codes around nothing would be trailing blanks that nobody sees.
        if self == Self::Plain || text.is_empty() {
            text.to_owned()
        } else {
            text.style(self.style()).to_string()
        }
    }
}

/// One cell: escaped once, here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell in a tone.
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self { text: escape(text.as_ref()).into_owned(), tone }
    }

    /// How many columns of a terminal it takes.
    pub fn width(&self) -> usize {
        self.text.width()
    }

    /// Exactly as wide as asked: cut, or filled up with blanks.
    fn fitted(&self, width: usize) -> String {
        let text = cut(&self.text, width);
        let blanks = width.saturating_sub(text.width());
        format!("{}{}", self.tone.paint(&text), " ".repeat(blanks))
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// The text, or as much of it as fits with a mark that something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut left = width.saturating_sub(1);
    let mut shown: String = text
        .chars()
        .take_while(|c| {
            let fits = c.width().unwrap_or(0) <= left;
            left = left.saturating_sub(c.width().unwrap_or(0));
            fits
        })
        .collect();
    if width > 0 {
        shown.push(CUT);
    }
    shown
}

/// One line of cells of given widths, without blanks at its end. The last cell that says something is neither filled
/// up nor, without a limit, cut.
pub fn line(cells: &[Cell], widths: &[usize], limit: Option<usize>) -> String {
    let Some(last) = cells.iter().rposition(|cell| !cell.text.trim_end().is_empty()) else {
        return String::new();
    };
    let mut shown = String::new();
    let mut used = 0;
    for (cell, &width) in cells[..last].iter().zip(widths) {
        shown.push_str(&cell.fitted(width));
        shown.push_str(GAP);
        used += width + GAP.len();
    }
    let room = limit.map_or(usize::MAX, |limit| limit.saturating_sub(used));
    let cell = &cells[last];
    shown.push_str(&cell.tone.paint(&cut(cell.text.trim_end(), room)));
    shown
}

/// A whole table, its columns as wide as their widest cell; two blanks between them where the limit allows it.
pub fn whole(headings: &[&str], rows: &[Vec<Cell>], limit: Option<usize>) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.width()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let generous = widths.iter().map(|width| width + 2).sum::<usize>().saturating_sub(2);
    if limit.is_none_or(|limit| generous <= limit) {
        widths.iter_mut().for_each(|width| *width += 1);
    }
    let headings: Vec<Cell> = headings.iter().map(|heading| Cell::new(heading, Tone::Heading)).collect();
    let lines = std::iter::once(&headings).chain(rows).map(|row| line(row, &widths, None));
    lines.collect::<Vec<_>>().join("\n")
}

/// The first of several forms of a text that the terminal has room for; the last one where none fits.
pub fn fitting(width: Option<usize>, forms: impl IntoIterator<Item = String>) -> String {
    let fits = |text: &str| width.is_none_or(|width| text.lines().all(|line| columns(line) <= width));
    let mut last = String::new();
    for form in forms {
        if fits(&form) {
            return form;
        }
        last = form;
    }
    last
}

fn columns(line: &str) -> usize {
    anstream::adapter::strip_str(line).to_string().width()
}

/// Facts, one a line, behind their names. The values are escaped here.
pub fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, String)>) -> String {
    facts.into_iter().fold(String::new(), |text, (name, value)| {
        text + &Tone::Heading.paint(&format!("{name:<9}")) + " " + &escape(&value) + "\n"
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_display_width() {
        let rows =
            ["orders", "注文", "größe", "e\u{301}t"].map(|name| vec![Cell::from(name), Cell::from("|")]);
        let table = whole(&["NAME", ""], &rows, None);
        let column = |line: &str| line.split_once('|').map(|(before, _)| before.width());
        let columns: Vec<_> = table.lines().skip(1).map(column).collect();
        assert!(columns.iter().all(|column| *column == columns[0]), "{table}");
    }

    #[test]
    fn columns_move_together_where_there_is_no_room() {
        let rows = [vec![Cell::from("a"), Cell::from("b")]];
        assert_eq!(whole(&["ONE", "TWO"], &rows, Some(8)), whole(&["ONE", "TWO"], &rows, None));
        let narrow = anstream::adapter::strip_str(&whole(&["ONE", "TWO"], &rows, Some(7))).to_string();
        assert_eq!(narrow, "ONE TWO\na   b");
    }

    #[test]
    fn a_cell_is_escaped_before_it_is_measured() {
        // G2: an invisible character could otherwise shift every column after it.
        let cell = Cell::from("a\u{202e}b");
        assert_eq!((cell.text.as_str(), cell.width()), ("a\\u{202e}b", 10));
    }

    #[test]
    fn what_does_not_fit_is_cut_and_marked() {
        for (text, width, want) in [
            ("orders", 6, "orders"),
            ("orders", 5, "orde…"),
            ("注文注文", 5, "注文…"),
            ("注文", 3, "注…"),
            ("ab", 1, "…"),
            ("ab", 0, ""),
        ] {
            assert_eq!(cut(text, width), want);
            assert!(cut(text, width).width() <= width);
        }
    }

    #[test]
    fn no_line_ends_in_blanks_of_any_colour() {
        let cells =
            [Cell::from("a"), Cell::new("b  ", Tone::Bad), Cell::new("", Tone::Quiet), Cell::from(" ")];
        let line = line(&cells, &[3, 3, 3, 3], Some(80));
        assert_eq!(anstream::adapter::strip_str(&line).to_string(), "a   b");
    }

    #[test]
    fn only_a_limit_cuts_the_last_cell() {
        let cells = [Cell::from("a"), Cell::from("a long reason")];
        assert_eq!(line(&cells, &[3, 0], None), "a   a long reason");
        assert_eq!(line(&cells, &[3, 0], Some(10)), "a   a lon…");
    }
}
