//! What `cargo xtask noise` does: `everyday.toml`. The host makes the userland, the guest goes through the phases.

use serde::Deserialize;

/// The committed file.
pub const TEXT: &str = include_str!("../everyday.toml");

/// A machine on which nothing is amiss, and what goes on there while events are counted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Everyday {
    /// Its kernel, one of the matrix.
    pub kernel: String,
    /// What is on the machine.
    pub userland: Userland,
    /// What is counted apart, one after the other.
    #[serde(rename = "phase")]
    pub phases: Vec<Phase>,
}

/// Packages of a release of Debian, installed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Userland {
    /// The release.
    pub suite: String,
    /// What it is, for people.
    pub about: String,
    /// The packages, besides those without which there is no system. What they depend on comes along.
    pub packages: Vec<String>,
    /// Script of a shell that is run in it when it is made, as root and with a network.
    pub setup: String,
}

/// Something that goes on for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Its name, a word.
    pub name: String,
    /// What it is, for people.
    pub about: String,
    /// Script of a shell, which must succeed.
    pub script: String,
}

/// Reads the text of `everyday.toml`.
pub fn parse(text: &str) -> Result<Everyday, toml::de::Error> {
    toml::from_str(text)
}

#[cfg(test)]
mod tests {
    use super::{TEXT, parse};

    #[test]
    fn the_committed_file_has_phases_with_a_word_for_a_name() {
        let everyday = parse(TEXT).unwrap();
        assert!(!everyday.phases.is_empty());
        for phase in everyday.phases {
            assert!(
                phase.name.chars().all(|letter| letter.is_ascii_lowercase()),
                "{phase:?}"
            );
        }
    }
}
