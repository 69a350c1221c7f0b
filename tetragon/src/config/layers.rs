//! Configuration files, merged in their order.
//!
//! | order | what | missing |
//! | --- | --- | --- |
//! | 1 | `/usr/lib/tetragon/tetragon.conf.d/*` | fine |
//! | 2 | `/usr/local/lib/tetragon/tetragon.conf.d/*` | fine |
//! | 3 | `tetragon.yaml` in the working directory | fine |
//! | 4 | `/etc/tetragon/tetragon.yaml` | fine |
//! | 5 | `/etc/tetragon/tetragon.conf.d/*` | fine |
//! | 6 | the directory of `--config-dir` | an error |
//!
//! Later ones win. Whatever wins is then weaker than the environment, and that is weaker than the command line.
//!
//! A drop-in file is named like its flag and holds the value, with white space around it cut off. An empty value clears
//! what was set before. Names that are no flags are kept apart, and nothing else becomes of them.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;

use super::environment::Environment;
use super::{Error, Source, yaml};

/// A layer that may be missing.
enum Layer {
    DropIns(&'static str),
    Yaml(&'static str),
}

const LAYERS: [Layer; 5] = [
    Layer::DropIns("/usr/lib/tetragon/tetragon.conf.d"),
    Layer::DropIns("/usr/local/lib/tetragon/tetragon.conf.d"),
    Layer::Yaml("tetragon.yaml"),
    Layer::Yaml("/etc/tetragon/tetragon.yaml"),
    Layer::DropIns("/etc/tetragon/tetragon.conf.d"),
];

/// The strongest value for each name so far.
#[derive(Debug, Default)]
pub(super) struct Layers(BTreeMap<String, (String, Source)>);

impl Layers {
    /// Reads what is there of the layers that may be missing.
    pub(super) fn read_defaults(&mut self, environment: &dyn Environment) -> Result<(), Error> {
        for layer in LAYERS {
            let (path, result) = match layer {
                Layer::DropIns(path) => (path, self.drop_ins(Path::new(path), environment)),
                Layer::Yaml(path) => (path, self.yaml(Path::new(path), environment)),
            };
            match result {
                Err(Error::Read { path: missing, error })
                    if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
                        && missing == Path::new(path) => {}
                result => result?,
            }
        }
        Ok(())
    }

    /// Reads the drop-ins of `directory`, which `source` has named.
    pub(super) fn read_required(
        &mut self,
        directory: &Path,
        source: &Source,
        environment: &dyn Environment,
    ) -> Result<(), Error> {
        self.drop_ins(directory, environment).map_err(|error| match error {
            Error::Read { path, error } if path == directory => Error::Value {
                flag: "config-dir".into(),
                origin: source.clone(),
                reason: format!("read {}: {error}", path.display()),
            },
            error => error,
        })
    }

    pub(super) fn get(&self, name: &str) -> Option<(&str, &Source)> {
        self.0.get(name).map(|(value, source)| (value.as_str(), source))
    }

    pub(super) fn into_settings(self) -> BTreeMap<String, (String, Source)> {
        self.0
    }

    fn drop_ins(&mut self, directory: &Path, environment: &dyn Environment) -> Result<(), Error> {
        let read_error = |path: &Path, error| Error::Read {
            path: path.to_owned(),
            error,
        };
        let files = environment
            .files(directory)
            .map_err(|error| read_error(directory, error))?;
        for file in files {
            let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            let source = Source::DropIn(file.clone());
            let content = environment.read(&file).map_err(|error| read_error(&file, error))?;
            let value = String::from_utf8(content).map_err(|_| Error::Value {
                flag: name.to_owned(),
                origin: source.clone(),
                reason: "not UTF-8".into(),
            })?;
            self.0.insert(name.to_owned(), (value.trim().to_owned(), source));
        }
        Ok(())
    }

    fn yaml(&mut self, path: &Path, environment: &dyn Environment) -> Result<(), Error> {
        let content = environment.read(path).map_err(|error| Error::Read {
            path: path.to_owned(),
            error,
        })?;
        let values = yaml::parse(&content).map_err(|reason| Error::Yaml {
            path: path.to_owned(),
            reason,
        })?;
        for (name, value) in values {
            self.0
                .insert(name, (value.trim().to_owned(), Source::Yaml(path.to_owned())));
        }
        Ok(())
    }
}

/// The place of a name that is no flag.
pub(super) fn place(name: &str, source: &Source) -> String {
    match source {
        Source::Yaml(path) => format!("{}: {name}", path.display()),
        Source::DropIn(path) => path.display().to_string(),
        Source::Default | Source::CommandLine | Source::Variable(_) => name.to_owned(),
    }
}
