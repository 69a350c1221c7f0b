//! Where the kernel programs come from.

use std::{
    borrow::Cow,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use ebpf_loader::Object;

use super::Error;

/// The object that this binary was built with; empty when there was none.
const EMBEDDED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/tetragon.bpf.o"));

/// Name of the object in the folder given by `--bpf-lib`.
const FILE: &str = "tetragon.bpf.o";

/// Where packages of today's Tetragon keep its objects: the flag's default, in which nothing is expected.
const DEFAULT: &str = "/var/lib/tetragon";

/// Parses the object in `bpf_lib`, else the embedded one: a folder without this object is one of today's Tetragon, or
/// holds nothing but type information.
pub(super) fn object(bpf_lib: Option<&Path>) -> Result<Object, Error> {
    let (bytes, path) = bytes(bpf_lib)?;
    tracing::debug!(object = %path.display(), bytes = bytes.len(), "kernel program object");
    Object::parse(&bytes).map_err(|error| Error::Object {
        path,
        error: Box::new(error),
    })
}

fn bytes(bpf_lib: Option<&Path>) -> Result<(Cow<'static, [u8]>, PathBuf), Error> {
    let Some(folder) = bpf_lib else {
        return embedded().ok_or(Error::NoObject);
    };
    let path = folder.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => Ok((bytes.into(), path)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let embedded = embedded().ok_or_else(|| Error::NoObjectIn(folder.to_owned()))?;
            if folder != Path::new(DEFAULT) {
                tracing::warn!(
                    "no {FILE} in {}: using the kernel programs built into this binary",
                    folder.display()
                );
            }
            Ok(embedded)
        }
        Err(error) => Err(Error::ReadObject { path, error }),
    }
}

fn embedded() -> Option<(Cow<'static, [u8]>, PathBuf)> {
    (!EMBEDDED.is_empty()).then(|| (EMBEDDED.into(), PathBuf::from("(embedded)")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_of_the_user_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), b"x").unwrap();
        let (bytes, path) = bytes(Some(folder.path())).unwrap();
        assert_eq!((bytes.as_ref(), path), (b"x".as_slice(), folder.path().join(FILE)));
        let message = object(Some(folder.path())).unwrap_err().to_string();
        assert!(
            message.contains("tetragon.bpf.o: read kernel program object"),
            "{message}"
        );
    }

    #[test]
    fn a_folder_without_one_leaves_the_embedded() {
        match bytes(Some(Path::new("/nowhere"))) {
            Ok((bytes, path)) => assert_eq!((bytes.as_ref(), path), (EMBEDDED, PathBuf::from("(embedded)"))),
            Err(error) => {
                let message = error.to_string();
                assert!(
                    EMBEDDED.is_empty() && message.contains("no tetragon.bpf.o in /nowhere"),
                    "{message}"
                );
            }
        }
    }
}
