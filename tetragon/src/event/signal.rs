//! How a process ended, from its wait status.

/// The `signal` and `status` of an exit event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Name of the signal that ended it, such as `SIGKILL`; empty when it exited by itself.
    pub signal: String,
    /// Exit status, when it exited by itself.
    pub status: u32,
}

/// Names of signals 1 to 31 on every architecture this runs on (signal(7)).
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM",
    "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO",
    "PWR", "SYS",
];

/// First real-time signal that programs may use; the C library keeps two below it for itself.
const SIGRTMIN: u32 = 34;

/// Takes a wait status apart: the signal in the low 7 bits, whether there was a core dump in the next, the exit status
/// above.
pub fn ending(status: u32) -> Ending {
    let signal = match status & 0x7f {
        0 => String::new(),
        number @ 1..=31 => format!("SIG{}", NAMES[number as usize - 1]),
        number if number < SIGRTMIN => format!("SIG{number}"),
        SIGRTMIN => "SIGRTMIN".to_owned(),
        number => format!("SIGRTMIN+{}", number - SIGRTMIN),
    };
    Ending {
        signal,
        status: status >> 8 & 0xff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        let cases = [
            (0, "", 0),
            (0x100, "", 1),
            (0xff00, "", 255),
            (9, "SIGKILL", 0),
            (0x8b, "SIGSEGV", 0),
            (31, "SIGSYS", 0),
            (34, "SIGRTMIN", 0),
            (40, "SIGRTMIN+6", 0),
        ];
        for (raw, signal, status) in cases {
            let expected = Ending {
                signal: signal.to_owned(),
                status,
            };
            assert_eq!(ending(raw), expected, "{raw:#x}");
        }
    }
}
