//! The language as JSON schema, for whoever publishes it: made from the very types that the reader reads into, so that
//! there is no field in one that is not in the other. It says which fields there are, what they mean and how large they may
//! be; what depends on more than one field only the reader knows.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::policy::RawSpec;
use super::quarantine::RawQuarantineSpec;
use super::yaml::Field;

/// The `spec` of an `AuthorizationPolicy`.
pub fn authorization_policy_spec() -> Schema {
    of::<RawSpec>()
}

/// The `spec` of a `Quarantine`.
pub fn quarantine_spec() -> Schema {
    of::<RawQuarantineSpec>()
}

/// In one piece: what refers to definitions elsewhere is of no use within another schema.
fn of<T: JsonSchema>() -> Schema {
    let mut settings = SchemaSettings::draft07();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    settings.into_generator().into_root_schema_for::<T>()
}

/// A field's schema is that of what may be written there: that it may be absent says its parent, and present with nothing
/// in it is an error.
impl<T: JsonSchema> JsonSchema for Field<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

#[cfg(test)]
mod tests;
