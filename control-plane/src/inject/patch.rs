//! What was changed, as a JSON patch (RFC 6902). Owns the way from two values to operations; knows nothing of pods.

use serde::Serialize;
use serde_json::Value;

/// One step of a patch.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Operation {
    /// Puts a field where none is.
    Add {
        /// Where (RFC 6901).
        path: String,
        /// What.
        value: Value,
    },
    /// Puts another value where one is.
    Replace {
        /// Where (RFC 6901).
        path: String,
        /// What.
        value: Value,
    },
    /// Takes a field away.
    Remove {
        /// Where (RFC 6901).
        path: String,
    },
}

impl Operation {
    /// Where it changes something.
    pub fn path(&self) -> &str {
        match self {
            Self::Add { path, .. } | Self::Replace { path, .. } | Self::Remove { path } => path,
        }
    }
}

/// The steps from one value to the other; none when they are equal. A list that became longer or shorter is replaced
/// as a whole.
pub(super) fn between(before: &Value, after: &Value) -> Vec<Operation> {
    let mut steps = Vec::new();
    compare(String::new(), before, after, &mut steps);
    steps
}

fn compare(path: String, before: &Value, after: &Value, steps: &mut Vec<Operation>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Value::Object(before), Value::Object(after)) => {
            let gone = before.keys().filter(|key| !after.contains_key(*key));
            steps.extend(gone.map(|key| Operation::Remove { path: below(&path, key) }));
            for (key, value) in after {
                match before.get(key) {
                    Some(before) => compare(below(&path, key), before, value, steps),
                    None => steps.push(Operation::Add { path: below(&path, key), value: value.clone() }),
                }
            }
        }
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                compare(format!("{path}/{index}"), before, after, steps);
            }
        }
        (_, after) => steps.push(Operation::Replace { path, value: after.clone() }),
    }
}

fn below(path: &str, key: &str) -> String {
    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// As the API server applies it, for the operations that there are.
    pub(in crate::inject) fn apply(value: &mut Value, steps: &[Operation]) {
        for step in steps {
            let (parent, key) = match step.path().rsplit_once('/') {
                None => ("", None),
                Some((parent, key)) => (parent, Some(key.replace("~1", "/").replace("~0", "~"))),
            };
            let parent = value.pointer_mut(parent).unwrap();
            match (step, key, parent) {
                (Operation::Replace { value, .. }, None, whole) => *whole = value.clone(),
                (Operation::Remove { .. }, Some(key), Value::Object(fields)) => {
                    fields.remove(&key).unwrap();
                }
                (Operation::Add { value, .. }, Some(key), Value::Object(fields)) => {
                    assert!(fields.insert(key, value.clone()).is_none());
                }
                (Operation::Replace { value, .. }, Some(key), Value::Object(fields)) => {
                    *fields.get_mut(&key).unwrap() = value.clone();
                }
                (Operation::Replace { value, .. }, Some(key), Value::Array(items)) => {
                    items[key.parse::<usize>().unwrap()] = value.clone();
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_steps_lead_from_one_value_to_the_other() {
        for (before, after, steps) in [
            (json!({"a": 1}), json!({"a": 1}), 0),
            (json!({"a": 1, "c": 0}), json!({"a": 2, "b": 3}), 3),
            (json!({"a/b~c": {"~1": 1}}), json!({"a/b~c": {"~1": 2}}), 1),
            (json!({"l": [1, {"x": 1}]}), json!({"l": [1, {"x": 2, "y": 1}]}), 2),
            (json!({"l": [1]}), json!({"l": [0, 1]}), 1),
            (json!([]), json!({}), 1),
            (json!({"a": null}), json!({"a": {}}), 1),
        ] {
            let found = between(&before, &after);
            let mut patched = before.clone();
            apply(&mut patched, &found);
            assert_eq!((patched, found.len()), (after, steps), "{before}");
        }
    }

    #[test]
    fn a_step_is_written_as_the_standard_wants_it() {
        let steps = between(&json!({"a": 1, "b": 1}), &json!({"b": 2, "c/d": 3}));
        let written = serde_json::to_value(steps).unwrap();
        let wanted = json!([
            {"op": "remove", "path": "/a"},
            {"op": "replace", "path": "/b", "value": 2},
            {"op": "add", "path": "/c~1d", "value": 3},
        ]);
        assert_eq!(written, wanted);
    }
}
