//! Digests of files.

use std::{ffi::CString, fmt::Write as _};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256, Sha384};

use super::say;

/// `digest ALGORITHM FILE`: prints it in hexadecimal, and nothing else.
pub fn digest(arguments: &[CString]) -> Result<()> {
    let path = say::string(arguments, 1)?;
    let bytes = std::fs::read(path).with_context(|| path.to_owned())?;
    let digest = match say::string(arguments, 0)? {
        "sha256" => Sha256::digest(&bytes).to_vec(),
        "sha384" => Sha384::digest(&bytes).to_vec(),
        other => bail!("{other} is no algorithm that this knows"),
    };
    let mut text = String::new();
    for byte in digest {
        write!(text, "{byte:02x}")?;
    }
    println!("{text}");
    Ok(())
}
