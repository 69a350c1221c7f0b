//! What a case asks of its machine: the table `[machine]` of its `case.toml`.
//!
//! Cases that ask for the same share a machine; those that ask for nothing share the usual one.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// A kind of machine. The usual one is the least.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Machine {
    /// Number of processors.
    pub processors: u32,
    /// How far the kernel is locked down before the first case.
    pub lockdown: Option<Lockdown>,
}

/// A level of lockdown (`kernel_lockdown(7)`). It cannot be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lockdown {
    /// User space cannot change the running kernel.
    Integrity,
    /// Nor read its memory.
    Confidentiality,
}

impl Lockdown {
    /// Its name in `/sys/kernel/security/lockdown`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Integrity => "integrity",
            Self::Confidentiality => "confidentiality",
        }
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            processors: 1,
            lockdown: None,
        }
    }
}

impl Machine {
    /// What the text of a `case.toml` asks for.
    pub fn of(case: &str) -> Result<Self, toml::de::Error> {
        #[derive(Deserialize)]
        struct Case {
            #[serde(default)]
            machine: Machine,
        }
        toml::from_str::<Case>(case).map(|case| case.machine)
    }

    /// What makes it unusual, for the end of a name: nothing, or such as `-2-processors`.
    pub fn suffix(&self) -> String {
        let Self { processors, lockdown } = self;
        let mut suffix = String::new();
        if *processors != 1 {
            let _ = write!(suffix, "-{processors}-processors");
        }
        if let Some(level) = lockdown {
            let _ = write!(suffix, "-locked-down-{}", level.name());
        }
        suffix
    }
}

#[cfg(test)]
mod tests {
    use super::{Lockdown, Machine};

    #[test]
    fn the_usual_machine_goes_without_saying() {
        let usual = Machine::of("summary = 's'").unwrap();
        assert_eq!((usual.clone(), usual.suffix().as_str()), (Machine::default(), ""));
    }

    #[test]
    fn a_case_may_ask_for_another() {
        let machine = Machine::of("[machine]\nprocessors = 2\nlockdown = 'integrity'").unwrap();
        assert_eq!(machine.lockdown, Some(Lockdown::Integrity));
        assert_eq!(machine.suffix(), "-2-processors-locked-down-integrity");
        assert!(Machine::default() < machine);
        assert!(Machine::of("[machine]\nprocesors = 2").is_err());
    }
}
