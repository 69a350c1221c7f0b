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

/// Parses the object in `bpf_lib`, else the embedded one.
///
/// A folder without an object is one of today's Tetragon or one with nothing but type information: the embedded object
/// serves then. A folder that does not exist is a mistake.
pub(super) fn object(bpf_lib: Option<&Path>) -> Result<Object, Error> {
    let (bytes, origin) = bytes(bpf_lib)?;
    tracing::debug!(object = %origin.display(), bytes = bytes.len(), "kernel program object");
    Object::parse(&bytes).map_err(|source| Error::Object {
        path: origin,
        source: Box::new(source),
    })
}

fn bytes(bpf_lib: Option<&Path>) -> Result<(Cow<'static, [u8]>, PathBuf), Error> {
    let Some(folder) = bpf_lib else {
        return embedded().ok_or(Error::NoObject);
    };
    let path = folder.join(FILE);
    match fs::read(&path) {
        Ok(bytes) => Ok((bytes.into(), path)),
        Err(error) if error.kind() == ErrorKind::NotFound && folder.is_dir() => {
            let embedded = embedded().ok_or_else(|| Error::NoObjectIn(folder.to_owned()))?;
            tracing::info!(
                "no {FILE} in {}: using the kernel programs built into this binary",
                folder.display()
            );
            Ok(embedded)
        }
        Err(source) => Err(Error::ReadObject { path, source }),
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
    fn a_folder_that_is_not_there_is_told() {
        let message = object(Some(Path::new("/nowhere"))).unwrap_err().to_string();
        assert!(
            message.starts_with("read /nowhere/tetragon.bpf.o: No such file"),
            "{message}"
        );
    }
}
