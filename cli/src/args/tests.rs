//! What is accepted, and what is refused before anything starts.

use clap::CommandFactory as _;

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn help_names_the_verbs_that_exist_for_people_and_no_other() {
    let help = Cli::command().render_help().to_string();
    insta::assert_snapshot!(help);
}

#[test]
fn an_empty_name_is_refused_for_it_would_mean_all() {
    for verb in [&["why"][..], &["identity", "show"], &["identity", "rotate"], &["quarantine", "add"]] {
        let line = ["kith"].iter().chain(verb).chain(&[""]);
        assert!(Cli::try_parse_from(line).is_err(), "{verb:?}");
    }
}

#[test]
fn every_verb_that_asks_gives_an_example() {
    fn check(command: &clap::Command) {
        for verb in command.get_subcommands() {
            if ["demo", "dev"].contains(&verb.get_name()) {
                continue;
            }
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let verbs_below = verb.has_subcommands();
            assert!(verbs_below || help.contains("Example: kith "), "{}", verb.get_name());
            check(verb);
        }
    }
    check(&Cli::for_people());
}

#[test]
fn what_cannot_be_is_refused() {
    for line in [
        "kith",
        "kith frobnicate",
        "kith demo --svid-ttl 19",
        "kith demo --story --check",
        "kith demo --log-level loud",
        "kith explain web",
        "kith explain web orders GET",
        "kith status --name a --socket b",
        "kith why",
        "kith quarantine",
        "kith quarantine add",
        "kith quarantine add web --node worker-1",
        "kith quarantine add --pod web-0",
        "kith quarantine add --pod shop/",
        "kith quarantine add --pod shop/web/0",
        "kith quarantine remove",
        "kith status --name a --context b",
        "kith status --socket a -n kith",
        "kith explain web orders --port 0",
        "kith check --wait 60",
        "kith check --fail-on ok",
        "kith identity show",
        "kith completion tcsh",
    ] {
        assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
}

#[test]
fn a_runtime_folder_that_is_none_is_as_good_as_none() {
    for (folder, complains) in [("", false), ("relative", true), ("/nonexistent/user/7", true)] {
        let runtime = RuntimeArgs { runtime_dir: Some(folder.into()) };
        assert_eq!(runtime.folder(), None);
        assert_eq!(runtime.complaint().is_some(), complains, "{folder:?}");
    }
    let runtime = RuntimeArgs { runtime_dir: Some("/tmp".into()) };
    assert_eq!((runtime.folder(), runtime.complaint()), (Some(Path::new("/tmp")), None));
}

#[test]
fn a_log_level_is_checked_before_any_process_has_it() {
    for level in ["error", "WARN", "off", "info,h2=warn", "kith_sidecar::inbound=trace"] {
        assert_eq!(log_level(level).as_deref(), Ok(level));
    }
    assert_eq!(log_level("").as_deref(), Ok(DEFAULT_LOG_LEVEL));
    for level in ["loud", "info,", "info,h2=loud", "=info", "h2=", " ", "a b=info"] {
        assert!(log_level(level).is_err(), "{level:?}");
    }
    assert_eq!(log_level("info,loud").unwrap_err().split(' ').next(), Some("\"loud\""));
}

#[test]
fn a_story_of_long_lives_is_refused() {
    let parsed = |line: &str| match Cli::try_parse_from(line.split(' ')).unwrap().command {
        Command::Demo(args) => args.check(),
        other => panic!("{other:?}"),
    };
    assert_eq!(parsed("kith demo --story --svid-ttl 61"), Err(UsageError::SlowStory { seconds: 61 }));
    assert_eq!(parsed("kith demo --check --svid-ttl 61"), Err(UsageError::SlowStory { seconds: 61 }));
    assert_eq!(parsed("kith demo --story --svid-ttl 60"), Ok(()));
    assert_eq!(parsed("kith demo --svid-ttl 61"), Ok(()));
}

#[test]
fn a_call_to_explain_may_be_opaque() {
    let cli = Cli::try_parse_from(["kith", "explain", "web", "orders", "-o", "json"]).unwrap();
    assert!(matches!(cli.command, Command::Explain(ExplainArgs { method: None, path: None, .. })));
}
