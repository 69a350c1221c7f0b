//! Writer of cpio archives in the "newc" format, which the kernel unpacks as initramfs
//! (`Documentation/driver-api/early-userspace/buffer-format.rst` of the kernel).
//!
//! Everything belongs to root and is of the year 1970, so that equal content gives equal bytes.

use std::collections::BTreeSet;

/// An archive under construction.
pub(super) struct Archive {
    bytes: Vec<u8>,
    inode: u32,
    /// Folders that exist, without slash in front.
    folders: BTreeSet<String>,
}

/// Bits of `st_mode` that tell the kind of file.
mod kind {
    pub(super) const FOLDER: u32 = 0o040_000;
    pub(super) const CHARACTER_DEVICE: u32 = 0o020_000;
    pub(super) const FILE: u32 = 0o100_000;
    pub(super) const LINK: u32 = 0o120_000;
}

impl Archive {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            inode: 0,
            folders: BTreeSet::new(),
        }
    }

    /// Adds a folder and those above it. Permissions of a folder that exists stay.
    pub(super) fn folder(&mut self, path: &str, mode: u32) {
        let path = relative(path);
        if path.is_empty() || self.folders.contains(path) {
            return;
        }
        self.parent(path);
        self.folders.insert(path.to_owned());
        self.entry(path, kind::FOLDER | mode, (0, 0), &[]);
    }

    /// Adds a file, and the folders above it if they are missing.
    pub(super) fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.parent(relative(path));
        self.entry(relative(path), kind::FILE | mode, (0, 0), content);
    }

    /// Adds a symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) {
        self.parent(relative(path));
        self.entry(relative(path), kind::LINK | 0o777, (0, 0), target.as_bytes());
    }

    /// Adds a character device.
    pub(super) fn device(&mut self, path: &str, mode: u32, major: u32, minor: u32) {
        self.parent(relative(path));
        self.entry(relative(path), kind::CHARACTER_DEVICE | mode, (major, minor), &[]);
    }

    /// The archive with its end mark.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.inode = 0;
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn parent(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.folder(parent, 0o755);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, (major, minor): (u32, u32), content: &[u8]) {
        let links = if mode & kind::FOLDER == kind::FOLDER { 2 } else { 1 };
        let size = u32::try_from(content.len()).expect("no file of a test machine has 4 GiB");
        self.bytes.extend_from_slice(b"070701");
        // Inode, mode, user, group, links, time, size, device of the file, device that it is, length of the name,
        // checksum, which this format leaves unused.
        for field in [
            self.inode,
            mode,
            0,
            0,
            links,
            0,
            size,
            0,
            0,
            major,
            minor,
            path.len() as u32 + 1,
            0,
        ] {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
        self.inode += 1;
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

#[cfg(test)]
mod tests {
    use super::Archive;
    use expect_test::expect;

    #[test]
    fn bytes_of_an_archive() {
        let mut archive = Archive::new();
        archive.file("/a/b", 0o644, b"hello");
        archive.link("/c", "a/b");
        archive.device("/dev/console", 0o600, 5, 1);
        let text = String::from_utf8(archive.finish()).unwrap().replace('\0', ".");
        let lines = text.replace("070701", "\n070701");
        expect![[r#"

            07070100000000000041ed0000000000000000000000020000000000000000000000000000000000000000000000000000000200000000a.
            07070100000001000081a40000000000000000000000010000000000000005000000000000000000000000000000000000000400000000a/b...hello...
            070701000000020000a1ff0000000000000000000000010000000000000003000000000000000000000000000000000000000200000000c.a/b.
            07070100000003000041ed0000000000000000000000020000000000000000000000000000000000000000000000000000000400000000dev...
            07070100000004000021800000000000000000000000010000000000000000000000000000000000000005000000010000000c00000000dev/console...
            07070100000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000b00000000TRAILER!!!...."#]]
        .assert_eq(&lines);
    }

    #[test]
    fn folders_come_first_and_once() {
        let mut archive = Archive::new();
        archive.folder("/tmp", 0o1777);
        archive.file("/tmp/x", 0o755, b"");
        archive.file("/tmp/y", 0o755, b"");
        archive.folder("/tmp", 0o755);
        let text = String::from_utf8(archive.finish()).unwrap();
        assert_eq!(text.matches("070701").count(), 4);
        assert!(text.contains("000043ff"));
    }

    #[test]
    fn every_part_is_aligned() {
        for length in 0..9 {
            let mut archive = Archive::new();
            archive.file(&"n".repeat(length + 1), 0o644, &vec![b'x'; length]);
            assert_eq!(archive.finish().len() % 4, 0);
        }
    }
}
