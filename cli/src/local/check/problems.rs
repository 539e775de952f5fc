//! What is wrong, one sentence each, and no more sentences than somebody reads.

/// Of one kind.
const MOST_OF_CALLS: usize = 10;

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Problems {
    found: Vec<String>,
    calls: Vec<String>,
}

impl Problems {
    /// Adds a sentence.
    pub(super) fn add(&mut self, sentence: String) {
        self.found.push(sentence);
    }

    /// Adds a sentence about one of thousands of calls.
    pub(super) fn add_call(&mut self, sentence: String) {
        self.calls.push(sentence);
    }

    /// All of them, those about calls as far as they are worth reading.
    pub(super) fn sentences(mut self) -> Vec<String> {
        let more = self.calls.len().saturating_sub(MOST_OF_CALLS);
        self.found.extend(self.calls.into_iter().take(MOST_OF_CALLS));
        if more > 0 {
            self.found.push(format!("{more} more problems with calls"));
        }
        self.found
    }
}
