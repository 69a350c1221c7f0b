//! `/proc/<pid>/stat`.

use ebpf_abi::map::{ProcessKey, ticks_to_ktime};

/// A kernel thread (`PF_KTHREAD`, include/linux/sched.h).
const PF_KTHREAD: u64 = 0x0020_0000;

/// What is of interest in `/proc/<pid>/stat` (proc(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Process id.
    pub pid: u32,
    /// First 15 bytes of the name.
    pub comm: Vec<u8>,
    /// `Z` or `X` when the leader is gone.
    pub state: u8,
    /// Parent at this moment.
    pub ppid: u32,
    /// Whether it is a thread of the kernel.
    pub kernel_thread: bool,
    /// Threads, a leader that is gone included.
    pub threads: u32,
    /// When it started, clock ticks after boot.
    pub start_ticks: u64,
}

impl Stat {
    /// Parses the line.
    pub fn parse(line: &[u8]) -> Option<Self> {
        // The name is in parentheses and may hold some itself.
        let open = line.iter().position(|&byte| byte == b'(')?;
        let close = line.iter().rposition(|&byte| byte == b')')?;
        let number = |text: &[u8]| str::from_utf8(text).ok()?.parse::<u64>().ok();
        let fields: Vec<_> = line.get(close + 2..)?.split(u8::is_ascii_whitespace).take(20).collect();
        // The name was field 2.
        let field = |index: usize| number(fields.get(index - 3)?);
        Some(Self {
            pid: number(line[..open].trim_ascii())? as u32,
            comm: line.get(open + 1..close)?.to_vec(),
            state: *fields.first()?.first()?,
            ppid: field(4)? as u32,
            kernel_thread: field(9)? & PF_KTHREAD != 0,
            threads: field(20)? as u32,
            start_ticks: field(22)?,
        })
    }

    /// Whether no thread is left that runs.
    pub fn gone(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x') && self.threads <= 1
    }

    /// Identity of the process.
    pub fn key(&self) -> ProcessKey {
        ProcessKey::new(self.pid, ticks_to_ktime(self.start_ticks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_parentheses() {
        let line = b"4242 (a) (b c)) S 17 4242 4242 34816 4242 4194560 1 2 3 4 5 6 7 8 20 0 3 0 123456 99 100\n";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(
            (stat.pid, stat.comm.as_slice(), stat.ppid),
            (4242, b"a) (b c)".as_slice(), 17)
        );
        assert_eq!(
            (stat.state, stat.kernel_thread, stat.threads, stat.start_ticks),
            (b'S', false, 3, 123_456)
        );
        assert_eq!(stat.key(), ProcessKey::new(4242, 1_234_560_000_000));
        assert_eq!(Stat::parse(b"1 (x"), None);
        assert_eq!(Stat::parse(b""), None);
        assert_eq!(Stat::parse(b"1 (x) S 1"), None);
    }
}
