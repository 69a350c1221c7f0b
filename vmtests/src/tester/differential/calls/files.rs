//! Calls with files.

use std::{
    ffi::CString,
    fs::{self, File},
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use policy::eval::Value;
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat, open, symlinkat};

use super::{Input, Prepared, Raw, World, numbers, system_call, texts};
use crate::tester::differential::random::Random;

/// Kinds of files by the first word of an input; what is beyond has no name, or is no file.
const KINDS: [FileType; 7] = [
    FileType::RegularFile,
    FileType::Directory,
    FileType::Symlink,
    FileType::Socket,
    FileType::CharacterDevice,
    FileType::BlockDevice,
    FileType::Fifo,
];

/// A path of one to four components below the folder, the last of which no other call has.
fn path(random: &mut Random) -> String {
    let mut path = String::new();
    for _ in 0..random.below(4) {
        let name = component(random);
        path.push_str(&name);
        path.push('/');
    }
    let unique = random.next() & 0xff_ffff;
    let (before, behind) = (component(random), component(random));
    path + &format!("{before}{unique:x}{behind}")
}

fn component(random: &mut Random) -> String {
    let most = *random.pick(&[4, 4, 12, 60]);
    texts::any(random, most).replace('/', "b") + "a"
}

/// A file of any kind.
pub(in super::super) fn generate(random: &mut Random) -> Input {
    Input {
        words: vec![random.below(KINDS.len()) as u64],
        texts: vec![path(random)],
        ..Input::default()
    }
}

/// The same and two numbers, also of what has no name.
pub(in super::super) fn generate_open(random: &mut Random) -> Input {
    let mut input = generate(random);
    input.words[0] = random.below(KINDS.len() + 3) as u64;
    input.words.extend([numbers::number(random), numbers::number(random)]);
    input
}

/// A file and what is written to it.
pub(in super::super) fn generate_write(random: &mut Random) -> Input {
    let mut input = generate(random);
    input.texts.extend(texts::generate_some(random).texts);
    input
}

/// Makes the file that `input` says, and returns its path and mode.
fn make(input: &Input, kind: FileType, world: &World) -> Result<(PathBuf, u16)> {
    let path = world.folder.join(&input.texts[0]);
    let parent = path.parent().context("a path in a folder")?;
    fs::create_dir_all(parent)?;
    let _ = fs::remove_file(&path);
    let _ = fs::remove_dir_all(&path);
    let result = match kind {
        FileType::Directory => fs::create_dir(&path).map_err(anyhow::Error::from),
        FileType::Symlink => symlinkat("nowhere", CWD, &path).map_err(anyhow::Error::from),
        kind => {
            // What a device does not matter: `/dev/null`, the first loop device.
            let device = match kind {
                FileType::CharacterDevice => makedev(1, 3),
                FileType::BlockDevice => makedev(7, 0),
                _ => 0,
            };
            mknodat(CWD, &path, kind, Mode::from_raw_mode(0o640), device).map_err(anyhow::Error::from)
        }
    };
    result.with_context(|| format!("make {}", path.display()))?;
    let mode = fs::symlink_metadata(&path)?.mode() as u16;
    Ok((path, mode))
}

fn named(path: &Path, mode: u16) -> Raw {
    Raw::Value(Value::File {
        path: path.as_os_str().as_bytes().to_vec(),
        mode,
    })
}

fn kind(input: &Input) -> FileType {
    KINDS[input.words[0] as usize % KINDS.len()]
}

fn string(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).context("a path")
}

/// What is open, and as a value.
fn opened(input: &Input, world: &World) -> Result<(OwnedFd, Raw)> {
    let nameless = |file: OwnedFd| {
        let file = File::from(file);
        let mode = file.metadata()?.mode() as u16;
        Ok((OwnedFd::from(file), named(Path::new(""), mode)))
    };
    let kind = match KINDS.get(input.words[0] as usize) {
        // Those that cannot be opened.
        Some(&FileType::Symlink | &FileType::Socket | &FileType::BlockDevice) | None => {
            return match input.words[0] % 2 {
                0 => nameless(rustix::pipe::pipe()?.0),
                _ => nameless(std::net::UdpSocket::bind("127.0.0.1:0")?.into()),
            };
        }
        Some(kind) => *kind,
    };
    let (path, mode) = make(input, kind, world)?;
    let flags = if kind == FileType::Fifo {
        OFlags::RDWR
    } else {
        OFlags::RDONLY
    };
    let file = open(&path, flags | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    Ok((file, named(&path, mode)))
}

/// `fcntl` with a command that there is not.
pub(in super::super) fn fcntl(input: &Input, world: &World) -> Result<Prepared> {
    let (file, value) = opened(input, world)?;
    let (command, argument) = (input.words[1] | 1 << 30, input.words[2]);
    let values = vec![value.clone(), value, Raw::Word(command), Raw::Word(argument)];
    Ok(world.call(values, move || {
        system_call("fcntl", [file.as_raw_fd() as u64, command, argument, 0, 0, 0]);
    }))
}

/// `fadvise64` with an advice that there is not, also for what is not open.
pub(in super::super) fn advise(input: &Input, world: &World) -> Result<Prepared> {
    const ADVICE: u64 = 99;
    if input.words[0] == KINDS.len() as u64 {
        let none = input.words[1] | 1 << 30;
        return Ok(world.call(vec![Raw::Value(Value::Failed)], move || {
            system_call("fadvise64", [none, 0, 0, ADVICE, 0, 0]);
        }));
    }
    let (file, value) = opened(input, world)?;
    Ok(world.call(vec![value], move || {
        system_call("fadvise64", [file.as_raw_fd() as u64, 0, 0, ADVICE, 0, 0]);
    }))
}

/// `lstat`.
pub(in super::super) fn stat(input: &Input, world: &World) -> Result<Prepared> {
    let (path, mode) = make(input, kind(input), world)?;
    let text = string(&path)?;
    let mut room = vec![0_u8; size_of::<libc::stat>()];
    Ok(world.call(vec![named(&path, mode)], move || {
        system_call("lstat", [text.as_ptr() as u64, room.as_mut_ptr() as u64, 0, 0, 0, 0]);
    }))
}

/// `unlink`. Paths of dentries end at the root of the file system.
pub(in super::super) fn unlink(input: &Input, world: &World) -> Result<Prepared> {
    let kind = match kind(input) {
        FileType::Directory => FileType::RegularFile,
        other => other,
    };
    let (path, mode) = make(input, kind, world)?;
    let text = string(&path)?;
    let inside = Path::new("/").join(path.strip_prefix(&world.mount)?);
    Ok(world.call(vec![named(&inside, mode)], move || {
        system_call("unlink", [text.as_ptr() as u64, 0, 0, 0, 0, 0]);
    }))
}

/// `write` to a regular file.
pub(in super::super) fn write(input: &Input, world: &World) -> Result<Prepared> {
    let (path, mode) = make(input, FileType::RegularFile, world)?;
    let file = File::options().write(true).open(&path)?;
    let bytes = input.texts[1].clone().into_bytes();
    let values = vec![named(&path, mode), Raw::Value(Value::Bytes(bytes.clone()))];
    Ok(world.call(values, move || {
        let arguments = [
            file.as_raw_fd() as u64,
            bytes.as_ptr() as u64,
            bytes.len() as u64,
            0,
            0,
            0,
        ];
        system_call("write", arguments);
    }))
}

/// A program at the path that `input` says.
pub(super) fn program(input: &Input, world: &World) -> Result<(PathBuf, u16)> {
    let (path, _) = make(input, FileType::RegularFile, world)?;
    fs::remove_file(&path)?;
    fs::hard_link(&world.program, &path).context("link a program")?;
    let mode = fs::metadata(&path)?.mode() as u16;
    Ok((path, mode))
}
