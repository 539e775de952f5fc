//! The JSON schemas in `docs/schemas/`: one for each form of answer, made from the types that are written, so that a key
//! that changes is a change in review. Owns the list of which verb answers in which form.

use std::fs;
use std::path::PathBuf;

use clap::{Command, CommandFactory as _};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use super::{
    edges, event, explain, findings, identity, quarantine, status, svid, svid_inspection, version, why,
};
use crate::args::Cli;
use crate::local::check::Report;
use crate::local::story::Finding;

/// A verb that takes `-o json`, with the flag that gives it another form, and the form of what it then prints.
const VERBS: &[(&str, &str)] = &[
    ("check", "findings"),
    ("demo", "event"),
    ("demo --check", "check"),
    ("demo --story", "story-step"),
    ("dev", "event"),
    ("edges", "edges"),
    ("explain", "explain"),
    ("identity list", "identities"),
    ("identity rotate", "rotation"),
    ("identity show", "identity"),
    ("quarantine add", "quarantine-change"),
    ("quarantine list", "quarantines"),
    ("quarantine remove", "quarantine-change"),
    ("status", "status"),
    ("svid fetch", "svid"),
    ("svid inspect", "svid-inspection"),
    ("tap", "event"),
    ("version", "version"),
    ("why", "why"),
];

fn schemas() -> [(&'static str, Schema); 16] {
    [
        ("check", of::<Report>()),
        ("edges", of::<edges::EdgesJson<'_>>()),
        ("event", of::<event::Shown>()),
        ("explain", of::<explain::ExplainJson<'_>>()),
        ("findings", of::<findings::FindingsJson<'_>>()),
        ("identities", of::<identity::IdentitiesJson<'_>>()),
        ("identity", of::<identity::IdentityJson<'_>>()),
        ("quarantine-change", of::<quarantine::EffectJson<'_>>()),
        ("quarantines", of::<quarantine::QuarantinesJson<'_>>()),
        ("rotation", of::<identity::RotatedJson<'_>>()),
        ("status", of::<status::StatusJson<'_>>()),
        ("story-step", of::<Finding>()),
        ("svid", of::<svid::SvidJson>()),
        ("svid-inspection", of::<svid_inspection::InspectionJson>()),
        ("version", of::<version::Version>()),
        ("why", of::<why::WhyJson<'_>>()),
    ]
}

/// As it is written, not as it might be read: a key that is always there is required. What the type is called, and what
/// its comment says to us, is nobody else's business.
fn of<T: JsonSchema>() -> Schema {
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<T>();
    schema.remove("title");
    schema.remove("description");
    schema
}

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn file(form: &str) -> PathBuf {
    docs().join("schemas").join(format!("{form}.json"))
}

fn text(schema: &Schema) -> String {
    serde_json::to_string_pretty(schema).unwrap() + "\n"
}

/// Every verb that takes `-o`, by its words.
fn verbs_with_output(command: &Command, words: &str) -> Vec<String> {
    let own = command.get_arguments().any(|argument| argument.get_id() == "output");
    let mut verbs: Vec<String> = own.then(|| words.trim().to_owned()).into_iter().collect();
    for verb in command.get_subcommands() {
        verbs.extend(verbs_with_output(verb, &format!("{words} {}", verb.get_name())));
    }
    verbs
}

#[test]
fn every_verb_with_an_output_has_a_form_and_every_form_a_schema() {
    let verbs = verbs_with_output(&Cli::command(), "");
    let schemas = schemas();
    for verb in &verbs {
        let form = VERBS.iter().find(|(known, _)| known == verb);
        let (_, form) = form.unwrap_or_else(|| panic!("kith {verb} takes -o and has no form in VERBS"));
        assert!(schemas.iter().any(|(known, _)| known == form), "{form} has no schema");
    }
    for (verb, _) in VERBS {
        let verb = verb.split(" --").next().unwrap();
        assert!(verbs.iter().any(|known| known == verb), "there is no kith {verb} with -o");
    }
}

#[test]
fn the_schemas_are_those_of_the_types() {
    for (form, schema) in schemas() {
        let kept = fs::read_to_string(file(form)).unwrap_or_default();
        let advice = "if the keys were meant to change: cargo test -p kith write_the_schemas -- --ignored";
        assert!(kept == text(&schema), "docs/schemas/{form}.json is not what is written; {advice}");
    }
    let forms: Vec<_> = schemas().iter().map(|(form, _)| file(form)).collect();
    for kept in fs::read_dir(docs().join("schemas")).unwrap() {
        let kept = kept.unwrap().path();
        assert!(forms.iter().any(|form| form.file_name() == kept.file_name()), "{kept:?} is of no form");
    }
}

#[test]
fn every_key_is_always_there() {
    for (form, schema) in schemas() {
        let schema = schema.as_value();
        let definitions = schema["$defs"].as_object().into_iter().flatten().map(|(_, schema)| schema);
        for object in std::iter::once(schema).chain(definitions) {
            let keys = |of: &serde_json::Value| of.as_object().map_or(0, serde_json::Map::len);
            let required = object["required"].as_array().map_or(0, Vec::len);
            assert_eq!(required, keys(&object["properties"]), "{form}: {object}");
        }
    }
}

#[test]
fn the_page_about_output_names_every_verb_and_every_key() {
    let page = fs::read_to_string(docs().join("output.md")).unwrap();
    for (verb, form) in VERBS {
        assert!(page.contains(&format!("`kith {verb}`")), "{verb}");
        assert!(page.contains(&format!("schemas/{form}.json")), "{form}");
    }
    for (form, schema) in schemas() {
        let schema = schema.as_value();
        let definitions = schema["$defs"].as_object().into_iter().flatten().map(|(_, schema)| schema);
        for object in std::iter::once(schema).chain(definitions) {
            for (key, _) in object["properties"].as_object().into_iter().flatten() {
                assert!(page.contains(&format!("`{key}`")), "{form}: {key}");
            }
        }
    }
}

#[test]
#[ignore = "writes docs/schemas; run it when the keys were meant to change"]
fn write_the_schemas() {
    fs::create_dir_all(docs().join("schemas")).unwrap();
    for (form, schema) in schemas() {
        fs::write(file(form), text(&schema)).unwrap();
    }
}
