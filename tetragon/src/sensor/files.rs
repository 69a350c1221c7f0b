//! Policies from files.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{Error, Sensors};

/// Largest file that is read, in bytes. The parser has bounds of its own; this one is for what is no policy at all.
const SIZE: u64 = 16 << 20;

/// Domain of policies from files.
const DOMAIN: &str = "static";

/// Where policies are at start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// `--tracing-policy-dir`: every regular file in it and in its folders, but not deeper.
    pub directory: PathBuf,
    /// Whether the directory was asked for and must be there.
    pub must_exist: bool,
    /// `--tracing-policy`: loaded last.
    pub file: Option<PathBuf>,
}

impl Files {
    /// Loads them all, in lexical order. The first that is wrong ends it.
    pub fn load(&self, sensors: &mut Sensors) -> Result<(), Error> {
        for path in self.paths()? {
            let text = read(&path)?;
            sensors.add(&text, DOMAIN).map_err(|error| match error {
                // Each of its lines begins with a place in the file.
                Error::Invalid(problems) => Error::Invalid(
                    problems
                        .iter()
                        .map(|problem| format!("{}:{problem}", path.display()))
                        .collect(),
                ),
                Error::Empty => Error::File {
                    path: path.clone(),
                    what: "has no policy in it",
                },
                other => other,
            })?;
        }
        Ok(())
    }

    fn paths(&self) -> Result<Vec<PathBuf>, Error> {
        let mut paths = vec![];
        if self.must_exist || self.directory.exists() {
            for path in entries(&self.directory)? {
                if path.is_dir() {
                    paths.extend(entries(&path)?.into_iter().filter(|path| path.is_file()));
                } else if path.is_file() {
                    paths.push(path);
                }
            }
        }
        paths.extend(self.file.clone());
        Ok(paths)
    }
}

/// What is in a directory, in lexical order.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, Error> {
    let failed = |error| Error::Read {
        path: directory.to_owned(),
        error,
    };
    let mut paths = fs::read_dir(directory)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<String, Error> {
    let failed = |error| Error::Read {
        path: path.to_owned(),
        error,
    };
    let wrong = |what| Error::File {
        path: path.to_owned(),
        what,
    };
    // Opening a pipe would wait for a writer.
    let kind = fs::metadata(path).map_err(failed)?;
    if kind.is_dir() {
        return Err(wrong("is a directory: use --tracing-policy-dir"));
    }
    if !kind.is_file() {
        return Err(wrong("is no regular file"));
    }
    let mut bytes = vec![];
    let file = File::open(path).map_err(failed)?;
    file.take(SIZE + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > SIZE {
        return Err(wrong("has more than 16 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| wrong("is not UTF-8 text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_directory_and_its_folders_then_the_one() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.yaml", "a.yaml", "sub/c.yaml", "sub/deep/d.yaml"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let files = Files {
            directory: folder.path().to_owned(),
            must_exist: true,
            file: Some("/last".into()),
        };
        let paths = files.paths().unwrap();
        let names: Vec<_> = paths
            .iter()
            .map(|path| path.strip_prefix(folder.path()).unwrap_or(path).display().to_string())
            .collect();
        assert_eq!(names, ["a.yaml", "b.yaml", "sub/c.yaml", "/last"]);
        let missing = Files {
            directory: "/nowhere".into(),
            must_exist: false,
            file: None,
        };
        assert_eq!(missing.paths().unwrap(), Vec::<PathBuf>::new());
        let must = Files {
            must_exist: true,
            ..missing
        };
        assert!(
            must.paths()
                .unwrap_err()
                .to_string()
                .starts_with("read policy /nowhere: ")
        );
    }

    #[test]
    fn what_is_no_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let message = |path: &Path| read(path).unwrap_err().to_string();
        assert!(message(folder.path()).ends_with("is a directory: use --tracing-policy-dir"));
        assert!(message(Path::new("/dev/null")).ends_with("is no regular file"));
        let large = folder.path().join("large");
        File::create(&large).unwrap().set_len(100 << 20).unwrap();
        assert!(message(&large).ends_with("has more than 16 MiB"));
        let binary = folder.path().join("binary");
        fs::write(&binary, b"\xff").unwrap();
        assert!(message(&binary).ends_with("is not UTF-8 text"));
    }
}
