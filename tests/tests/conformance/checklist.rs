//! The two lists of `tests/conformance/`: what the standards ask for, and which of it is not offered and why. Owns their
//! form; a line that cannot be read ends the program.

use std::fs;

use kith_tests::repository;

/// The words by which a standard gives weight to a duty.
const FORCES: &[&str] = &["MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY"];

/// Both lists.
pub(crate) struct Checklist {
    pub(crate) duties: Vec<Duty>,
    pub(crate) excuses: Vec<Excuse>,
}

/// One line of a standard.
pub(crate) struct Duty {
    /// `STANDARD SECTION word`.
    pub(crate) id: String,
    pub(crate) force: String,
    /// v: a validator's, i: an issuer's or server's, c: a client's.
    pub(crate) whose: String,
    pub(crate) sentence: String,
}

/// Lines that are not offered.
pub(crate) struct Excuse {
    /// An id, or the beginning of several before ` *`.
    pub(crate) of: String,
    pub(crate) reason: String,
}

impl Checklist {
    /// Reads both files.
    pub(crate) fn read() -> Self {
        let duties: Vec<Duty> = lines("checklist.txt").iter().map(|line| Duty::parse(line)).collect();
        let excuses: Vec<Excuse> = lines("not-offered.txt").iter().map(|line| Excuse::parse(line)).collect();
        for (position, duty) in duties.iter().enumerate() {
            let again = duties[..position].iter().any(|it| it.id == duty.id);
            assert!(!again, "checklist.txt has {:?} twice", duty.id);
        }
        Self { duties, excuses }
    }

    /// The line of this id.
    pub(crate) fn duty(&self, id: &str) -> Option<&Duty> {
        self.duties.iter().find(|it| it.id == id)
    }

    /// Why the line is not offered.
    pub(crate) fn reason(&self, id: &str) -> Option<&str> {
        self.excuses.iter().find(|it| it.covers(id)).map(|it| it.reason.as_str())
    }
}

impl Duty {
    fn parse(line: &str) -> Self {
        let fields: Vec<&str> = line.split('|').map(str::trim).collect();
        let [id, force, whose, sentence] = fields[..] else {
            panic!("checklist.txt: four fields, not {line:?}")
        };
        assert!(id.split(' ').count() == 3, "checklist.txt: {id:?} is not STANDARD SECTION word");
        assert!(FORCES.contains(&force), "checklist.txt: {id}: {force:?} is not one of {FORCES:?}");
        assert!(["v", "i", "c"].contains(&whose), "checklist.txt: {id}: {whose:?} is not v, i or c");
        assert!(sentence.ends_with('.'), "checklist.txt: {id}: not a sentence");
        Self { id: id.into(), force: force.into(), whose: whose.into(), sentence: sentence.into() }
    }

    /// The first word of the id.
    pub(crate) fn standard(&self) -> &str {
        self.id.split(' ').next().unwrap_or_default()
    }
}

impl Excuse {
    fn parse(line: &str) -> Self {
        let (of, reason) = line.split_once('|').unwrap_or_else(|| panic!("not-offered.txt: {line:?}"));
        Self { of: of.trim().into(), reason: reason.trim().into() }
    }

    /// Whether the line is among those excused.
    pub(crate) fn covers(&self, id: &str) -> bool {
        match self.of.strip_suffix('*') {
            Some(beginning) => id.starts_with(beginning),
            None => id == self.of,
        }
    }
}

fn lines(name: &str) -> Vec<String> {
    let file = repository().join("tests/conformance").join(name);
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}
