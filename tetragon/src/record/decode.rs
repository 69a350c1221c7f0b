//! Bytes to records.

use ebpf_abi::event::{CloneEvent, DataEvent, ExecEvent, ExitEvent, Header, HookEvent, op};
use zerocopy::FromBytes;

use super::{Args, Clone, Data, Exec, Hook, Record};

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The kernel programs know an event type that the agent does not.
    #[error("record of unknown type {0}")]
    Type(u8),
    /// The head is not whole.
    #[error("record of {0} bytes, too short for its head")]
    Short(usize),
    /// The lengths in the head are not those of the record.
    #[error("record of {given} bytes announces {announced}")]
    Length {
        /// Bytes there are.
        given: usize,
        /// Bytes there should be.
        announced: usize,
    },
}

/// Decodes one record, with whatever alignment. Never panics and copies nothing but the head.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, Malformed> {
    let (header, _) = head::<Header>(bytes)?;
    match header.op {
        op::EXECVE => exec(bytes).map(Record::Exec),
        op::EXIT => {
            let (head, rest) = head::<ExitEvent>(bytes)?;
            whole(bytes, head.header, rest, 0)?;
            Ok(Record::Exit(head))
        }
        op::CLONE => {
            let (head, rest) = head::<CloneEvent>(bytes)?;
            whole(bytes, head.header, rest, head.cgroup_len.into())?;
            Ok(Record::Clone(Clone { head, cgroup: rest }))
        }
        op::DATA => {
            let (head, rest) = head::<DataEvent>(bytes)?;
            whole(bytes, head.header, rest, head.len.into())?;
            Ok(Record::Data(Data { head, bytes: rest }))
        }
        op::KPROBE | op::TRACEPOINT | op::LSM | op::UPROBE | op::USDT => {
            let (head, rest) = head::<HookEvent>(bytes)?;
            // Arguments say how long they are, each for itself.
            whole(bytes, head.header, rest, rest.len() as u64)?;
            Ok(Record::Hook(Hook { head, args: Args(rest) }))
        }
        other => Err(Malformed::Type(other)),
    }
}

fn exec(bytes: &[u8]) -> Result<Exec<'_>, Malformed> {
    let (head, rest) = head::<ExecEvent>(bytes)?;
    let lengths: [u32; 6] = [
        head.filename_len.into(),
        head.image_len.into(),
        head.cwd_len.into(),
        head.cgroup_len.into(),
        head.args_len,
        head.envs_len,
    ];
    let announced = lengths.iter().map(|&len| u64::from(len)).sum();
    whole(bytes, head.header, rest, announced)?;
    let mut rest = rest;
    let mut part = |len: u32| {
        // Their sum is the length of the rest.
        let (part, tail) = rest.split_at_checked(len as usize).unwrap_or((rest, &[]));
        rest = tail;
        part
    };
    let [filename, image, cwd, cgroup, args, envs] = lengths.map(&mut part);
    Ok(Exec {
        head,
        filename,
        image,
        cwd,
        cgroup,
        args,
        envs,
    })
}

fn head<T: FromBytes>(bytes: &[u8]) -> Result<(T, &[u8]), Malformed> {
    T::read_from_prefix(bytes).map_err(|_| Malformed::Short(bytes.len()))
}

/// Whether the record is as long as its header says and its variable parts as long as the head says.
fn whole(bytes: &[u8], header: Header, rest: &[u8], announced: u64) -> Result<(), Malformed> {
    let given = bytes.len();
    if header.size as usize != given {
        let announced = header.size as usize;
        return Err(Malformed::Length { given, announced });
    }
    if rest.len() as u64 != announced {
        let announced = (given - rest.len()).saturating_add(usize::try_from(announced).unwrap_or(usize::MAX));
        return Err(Malformed::Length { given, announced });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use ebpf_abi::map::ProcessKey;
    use expect_test::{Expect, expect};
    use proptest::prelude::*;
    use zerocopy::IntoBytes as _;

    use super::*;

    fn exec_record() -> Vec<u8> {
        let parts: [&[u8]; 6] = [b"./a", b"/tmp/a", b"/tmp", b"session.scope", b"a\0b c\0", b"X=1\0"];
        let head = ExecEvent {
            header: Header::new(
                (size_of::<ExecEvent>() + parts.concat().len()) as u32,
                op::EXECVE,
                1_000,
            ),
            process: ProcessKey::new(7, 1_000),
            filename_len: 3,
            image_len: 6,
            cwd_len: 4,
            cgroup_len: 13,
            args_len: 6,
            envs_len: 4,
            ..Default::default()
        };
        [head.as_bytes(), &parts.concat()].concat()
    }

    fn check(bytes: &[u8], expected: &Expect) {
        let text = match decode(bytes) {
            Ok(Record::Exec(exec)) => {
                let parts = [exec.filename, exec.image, exec.cwd, exec.cgroup, exec.args, exec.envs];
                format!(
                    "exec {} {:?}",
                    exec.head.process.pid,
                    parts.map(|part| String::from_utf8_lossy(part).into_owned())
                )
            }
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn parts_of_an_exec() {
        let mut bytes = exec_record();
        check(
            &bytes,
            &expect![[r#"exec 7 ["./a", "/tmp/a", "/tmp", "session.scope", "a\0b c\0", "X=1\0"]"#]],
        );
        bytes.push(0);
        check(&bytes, &expect!["record of 285 bytes announces 284"]);
        bytes.truncate(280);
        check(&bytes, &expect!["record of 280 bytes announces 284"]);
        bytes[..4].copy_from_slice(&280_u32.to_le_bytes());
        check(&bytes, &expect!["record of 280 bytes announces 284"]);
        bytes[4] = 99;
        check(&bytes, &expect!["record of unknown type 99"]);
        check(&bytes[..10], &expect!["record of 10 bytes, too short for its head"]);
    }

    #[test]
    fn exit_and_data() {
        let exit = ExitEvent {
            header: Header::new(size_of::<ExitEvent>() as u32, op::EXIT, 5),
            process: ProcessKey::new(3, 4),
            status: 256,
            tid: 3,
        };
        check(
            exit.as_bytes(),
            &expect![
                "Exit(ExitEvent { header: Header { size: 40, op: 7, flags: 0, reserved: 0, ktime: 5 }, process: ProcessKey { pid: 3, reserved: 0, ktime: 4 }, status: 256, tid: 3 })"
            ],
        );
        let data = DataEvent {
            header: Header::new(size_of::<DataEvent>() as u32 + 2, op::DATA, 5),
            len: u32::MAX,
            ..Default::default()
        };
        check(
            &[data.as_bytes(), b"xy"].concat(),
            &expect!["record of 50 bytes announces 4294967343"],
        );
    }

    proptest! {
        #[test]
        fn any_bytes_give_a_value(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), kind in any::<prop::sample::Index>()) {
            let _any = decode(&bytes);
            // Further than the header, too.
            if bytes.len() >= 16 {
                let size = (bytes.len() as u32).to_le_bytes();
                bytes[..4].copy_from_slice(&size);
                bytes[4] = [op::EXECVE, op::EXIT, op::CLONE, op::DATA, op::KPROBE][kind.index(5)];
                if let Ok(Record::Hook(hook)) = decode(&bytes) {
                    prop_assert!(hook.args.values().count() <= bytes.len() / size_of::<ebpf_abi::event::HookArg>());
                }
            }
        }

        #[test]
        fn flipped_bytes_give_a_value(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let mut bytes = exec_record();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _any = decode(&bytes);
        }
    }
}
