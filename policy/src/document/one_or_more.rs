//! A list that is never empty. In a rule a field that is left out matches anything; an empty list could be read
//! as "anything" or as "nothing", so that it cannot be written, received or built.

use std::ops::Deref;

/// At least one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OneOrMore<T>(Vec<T>);

impl<T> OneOrMore<T> {
    /// The values, unless there are none.
    pub fn new(values: Vec<T>) -> Option<Self> {
        (!values.is_empty()).then_some(Self(values))
    }
}

impl<T> Deref for OneOrMore<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}
