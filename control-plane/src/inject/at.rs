//! A place in an object whose shape nobody has checked yet. Owns reading: what is absent is nothing, what has another
//! shape than it must have is a refusal that names the place.

use serde_json::{Map, Value};

use super::refusal::Refusal;

static NOTHING: Value = Value::Null;

/// A value and the path that leads to it.
#[derive(Debug, Clone)]
pub(super) struct At<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> At<'a> {
    /// The whole object.
    pub(super) fn root(value: &'a Value) -> Self {
        Self { path: String::new(), value }
    }

    /// A part of an object of which `path` is the place.
    pub(super) fn of(path: &str, value: &'a Value) -> Self {
        Self { path: path.to_owned(), value }
    }

    /// The field of this name; of what has no fields, nothing.
    pub(super) fn get(&self, name: &str) -> Self {
        let path = match (self.path.is_empty(), name.contains(['.', '/'])) {
            (true, _) => name.to_owned(),
            (false, true) => format!("{}[{name}]", self.path),
            (false, false) => format!("{}.{name}", self.path),
        };
        Self { path, value: self.value.get(name).unwrap_or(&NOTHING) }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    pub(super) fn is_absent(&self) -> bool {
        self.value.is_null()
    }

    /// Its fields, if it is there.
    pub(super) fn object(&self) -> Result<Option<&'a Map<String, Value>>, Refusal> {
        match self.value {
            Value::Null => Ok(None),
            Value::Object(fields) => Ok(Some(fields)),
            _ => Err(self.refuse("an object of fields has to stand here")),
        }
    }

    /// Its items; none when it is absent.
    pub(super) fn list(&self) -> Result<Vec<Self>, Refusal> {
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => {
                let item = |(index, value)| Self { path: format!("{}[{index}]", self.path), value };
                Ok(items.iter().enumerate().map(item).collect())
            }
            _ => Err(self.refuse("a list has to stand here")),
        }
    }

    /// Its first item of this name.
    pub(super) fn named(&self, name: &str) -> Result<Option<Self>, Refusal> {
        for item in self.list()? {
            if item.get("name").text()? == Some(name) {
                return Ok(Some(item));
            }
        }
        Ok(None)
    }

    /// Its text, if it is there.
    pub(super) fn text(&self) -> Result<Option<&'a str>, Refusal> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(self.refuse("text has to stand here")),
        }
    }

    /// What is absent is false.
    pub(super) fn flag(&self) -> Result<bool, Refusal> {
        match self.value {
            Value::Null => Ok(false),
            Value::Bool(flag) => Ok(*flag),
            _ => Err(self.refuse("true or false has to stand here")),
        }
    }

    /// Its number, if it is there.
    pub(super) fn number(&self) -> Result<Option<i64>, Refusal> {
        match self.value {
            Value::Null => Ok(None),
            value => value.as_i64().map(Some).ok_or_else(|| self.refuse("a whole number has to stand here")),
        }
    }

    /// A refusal of what stands here.
    pub(super) fn refuse(&self, advice: impl Into<String>) -> Refusal {
        Refusal::new(&self.path, self.value, advice)
    }
}
