//! Names of accounts, from the host's `/etc/passwd`.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

/// How often the file is looked at for changes, at most.
const CHECK: Duration = Duration::from_secs(1);

/// Names by user id; follows changes of the file.
#[derive(Debug)]
pub struct Users {
    path: PathBuf,
    names: HashMap<u32, String>,
    modified: Option<SystemTime>,
    checked: Option<Instant>,
}

impl Users {
    /// Names in the file `path`, which is read when first asked.
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            names: HashMap::new(),
            modified: None,
            checked: None,
        }
    }

    /// Name of user `uid`; of several, the first in the file.
    pub fn name(&mut self, uid: u32) -> Option<&str> {
        if self.checked.is_none_or(|checked| checked.elapsed() >= CHECK) {
            self.checked = Some(Instant::now());
            let modified = fs::metadata(&self.path).and_then(|file| file.modified()).ok();
            if modified != self.modified {
                self.modified = modified;
                self.names = parse(&fs::read_to_string(&self.path).unwrap_or_default());
            }
        }
        self.names.get(&uid).map(String::as_str)
    }
}

fn parse(passwd: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in passwd.lines() {
        let mut fields = line.split(':');
        let (Some(name), Some(uid)) = (fields.next(), fields.nth(1).and_then(|uid| uid.parse().ok())) else {
            continue;
        };
        names.entry(uid).or_insert_with(|| name.to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_name_of_an_id() {
        let names = parse("root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:\n#x\nbad:x:y:\nuser:x:1000:1000:::\n");
        assert_eq!(names.len(), 2);
        assert_eq!((names[&0].as_str(), names[&1000].as_str()), ("root", "user"));
    }

    #[test]
    fn follows_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwd");
        let mut users = Users::new(&path);
        assert_eq!(users.name(1), None);
        fs::write(&path, "one:x:1:").unwrap();
        assert_eq!(users.name(1), None);
        users.checked = None;
        assert_eq!(users.name(1), Some("one"));
    }
}
