use std::path::Path;

use super::{Case, Step, list};

fn parse(text: &str) -> anyhow::Result<Case> {
    let mut case: Case = toml::from_str(text)?;
    case.complete()?;
    Ok(case)
}

#[test]
fn every_committed_case_can_be_read() {
    let cases = list(&Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")).unwrap();
    assert!(!cases.is_empty());
    for folder in cases.values() {
        Case::read(folder).unwrap();
    }
}

#[test]
fn the_agent_is_started_when_nobody_says_so() {
    let case = parse("summary = 's'\nflags = ['--x']\n[[step]]\ndo = 'run'\nname = 'a'\nargv = ['true']").unwrap();
    let Step::Start(start) = &case.steps[0] else {
        panic!("{:?}", case.steps[0])
    };
    assert_eq!(start.flags, ["--x"]);
}

#[test]
fn mistakes_are_refused() {
    let step = |step: &str| parse(&format!("summary = 's'\n[[step]]\n{step}")).unwrap_err();
    assert!(format!("{:#}", step("do = 'stop'\nof = 'other'")).contains("no step before is named other"));
    assert!(format!("{:#}", step("do = 'walk'")).contains("unknown variant `walk`"));
    assert!(format!("{:#}", step("do = 'run'\nname = 'a'\nargv = []\nexti = 1")).contains("unknown field `exti`"));
    assert!(parse("summary = 's'\nflags = ['-x']\n[[step]]\ndo = 'start'").is_err());
}
