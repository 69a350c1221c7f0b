//! Pins: what lives on when this process ends.
//!
//! A link is detached, and an array of programs is emptied, when the last descriptor of it is closed. A name in a BPF file
//! system counts like a descriptor (`BPF_OBJ_PIN`; kernel 4.4, for links 5.7). Other maps need none: programs hold them.
//!
//! Example: `let pins = Arc::new(Pins::new("/sys/fs/bpf/mine".into())); link.pin(&pins, "open")?;`

use std::{
    ffi::CString,
    fs,
    os::{fd::BorrowedFd, unix::ffi::OsStrExt as _},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

use crate::{
    error::{Error, SysError},
    sys,
};

/// Most bytes of what is pinned that its name has.
const NAME_LEN: usize = 100;

/// A folder of a BPF file system, and whether what is pinned there stays.
#[derive(Debug)]
pub struct Pins {
    folder: PathBuf,
    next: AtomicU64,
    left: AtomicBool,
}

impl Pins {
    /// Pins in `folder`, which must be there. They are removed when what is pinned is dropped.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            next: AtomicU64::new(0),
            left: AtomicBool::new(false),
        }
    }

    /// From now on pins stay when what is pinned is dropped.
    pub fn leave(&self) {
        self.left.store(true, Relaxed);
    }

    /// Pins `object` under `name`, with a number in front of it; `None` if the kernel cannot pin what this is.
    pub(crate) fn pin(self: &Arc<Self>, object: BorrowedFd<'_>, name: &str) -> Result<Option<Pin>, Error> {
        let number = self.next.fetch_add(1, Relaxed);
        let path = self.folder.join(format!("{number}-{}", allowed(name)));
        let pinned = match CString::new(path.as_os_str().as_bytes()) {
            Ok(path) => sys::obj_pin(object, &path),
            Err(_) => return Err(Error::Nul { name: name.to_owned() }),
        };
        match pinned {
            Ok(()) => Ok(Some(Pin {
                path,
                pins: Arc::clone(self),
            })),
            // It is neither program nor map nor link.
            Err(SysError { error, .. }) if error.raw_os_error() == Some(libc::EINVAL) => Ok(None),
            Err(source) => Err(Error::Pin { path, source }),
        }
    }
}

/// `name` with what the file system allows in names: it keeps dots for itself.
fn allowed(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-:".contains(c);
    let chars = name.chars().take(NAME_LEN);
    chars.map(|c| if allowed(c) { c } else { '_' }).collect()
}

/// A name that keeps an object, removed when this is dropped unless its folder was left.
#[derive(Debug)]
pub(crate) struct Pin {
    path: PathBuf,
    pins: Arc<Pins>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        if !self.pins.left.load(Relaxed) {
            // Somebody else may have removed it.
            let _gone = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::RefCell, fs::File, io, os::fd::AsFd as _, rc::Rc};

    use super::*;
    use crate::sys::{Command, ReadAttr as _, Syscall, fake::Fake};

    /// A kernel that makes a file of every pin, or answers `errno`.
    fn kernel(errno: Option<i32>) -> (Rc<RefCell<Vec<String>>>, Fake) {
        let seen = Rc::new(RefCell::new(vec![]));
        let paths = Rc::clone(&seen);
        let fake = Fake::new(move |call| {
            let Syscall::Bpf {
                command: Command::ObjPin,
                attr,
            } = call
            else {
                panic!("unexpected {call:?}")
            };
            if let Some(errno) = errno {
                return Err(io::Error::from_raw_os_error(errno));
            }
            let path = attr.text(0);
            File::create(&path)?;
            seen.borrow_mut().push(path);
            Ok(0)
        });
        (paths, fake)
    }

    #[test]
    fn pins_go_with_what_is_pinned_unless_they_are_left() {
        let folder = tempfile::tempdir().unwrap();
        let pins = Arc::new(Pins::new(folder.path().to_owned()));
        let (paths, _kernel) = kernel(None);
        let object = File::open("/dev/null").unwrap();
        let count = || fs::read_dir(folder.path()).unwrap().count();
        let first = pins.pin(object.as_fd(), "lsm:file_open").unwrap();
        let second = pins.pin(object.as_fd(), "/usr/lib/libc.so.6").unwrap();
        assert_eq!(count(), 2);
        drop(first);
        assert_eq!(count(), 1);
        pins.leave();
        drop(second);
        assert_eq!(count(), 1);
        let names: Vec<_> = paths
            .borrow()
            .iter()
            .map(|path| path.rsplit('/').next().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["0-lsm:file_open", "1-_usr_lib_libc_so_6"]);
    }

    #[test]
    fn what_cannot_be_pinned_is_no_error() {
        let pins = Arc::new(Pins::new("/nowhere".into()));
        let object = File::open("/dev/null").unwrap();
        let (_, refused) = kernel(Some(libc::EINVAL));
        assert!(pins.pin(object.as_fd(), "kprobe:f").unwrap().is_none());
        drop(refused);
        let (_, _refused) = kernel(Some(libc::ENOENT));
        let error = pins.pin(object.as_fd(), "kprobe:f").unwrap_err().to_string();
        assert_eq!(
            error,
            "pin /nowhere/1-kprobe:f: BPF_OBJ_PIN: No such file or directory (os error 2)"
        );
    }
}
