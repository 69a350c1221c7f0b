//! Digests of programs: whether a file is the one that a policy was written for.

use std::{
    fs::File,
    io,
    time::{Duration, Instant},
};

use policy::model::{Digest, DigestAlgorithm};
use policy_elf::{Elf, Source as _};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512, digest::DynDigest};

use crate::regular::{Budget, Limited};

/// Bytes of a file that are read for its digests: the largest programs have some hundreds of mebibytes.
const LONGEST: u64 = 1 << 30;

/// How long that may take. Whoever asks for the policy waits.
const TIME: Duration = Duration::from_secs(20);

/// Whether `file` has one of `digests`. It is read once, whatever the number of them.
pub(super) fn has_one(file: &File, digests: &[Digest]) -> io::Result<bool> {
    let is = |algorithm: DigestAlgorithm, bytes: &[u8]| {
        let mut digests = digests.iter();
        digests.any(|digest| digest.algorithm == algorithm && digest.bytes == bytes)
    };
    let build_id = || Elf::read(file).ok()?.build_id();
    let note = DigestAlgorithm::BuildId;
    if digests.iter().any(|digest| digest.algorithm == note) && build_id().is_some_and(|bytes| is(note, &bytes)) {
        return Ok(true);
    }
    let mut hashers: Vec<(DigestAlgorithm, Box<dyn DynDigest>)> = vec![];
    for digest in digests {
        if !hashers.iter().any(|(known, _)| *known == digest.algorithm) {
            hashers.extend(hasher(digest.algorithm).map(|hasher| (digest.algorithm, hasher)));
        }
    }
    if hashers.is_empty() {
        return Ok(false);
    }
    if file.metadata()?.len() > LONGEST {
        let most = LONGEST >> 20;
        return Err(io::Error::other(format!("it has more than {most} MiB, use a build-id")));
    }
    // One more, to see the end.
    let source = Limited::new(file.try_clone()?, &Budget::new(LONGEST + 1, Instant::now() + TIME));
    let (mut buffer, mut offset) = (vec![0; 1 << 16], 0);
    loop {
        let len = match source.read_at(&mut buffer, offset) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        for (_, hasher) in &mut hashers {
            hasher.update(&buffer[..len]);
        }
        offset += len as u64;
    }
    let mut hashers = hashers.into_iter();
    Ok(hashers.any(|(algorithm, hasher)| is(algorithm, &hasher.finalize())))
}

/// What makes it of all bytes of a file, if anything does.
fn hasher(algorithm: DigestAlgorithm) -> Option<Box<dyn DynDigest>> {
    Some(match algorithm {
        DigestAlgorithm::Sha1 => Box::<Sha1>::default(),
        DigestAlgorithm::Sha256 => Box::<Sha256>::default(),
        DigestAlgorithm::Sha384 => Box::<Sha384>::default(),
        DigestAlgorithm::Sha512 => Box::<Sha512>::default(),
        DigestAlgorithm::BuildId => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn digest(algorithm: DigestAlgorithm, hex: &str) -> Digest {
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        Digest {
            algorithm,
            bytes: (0..hex.len()).step_by(2).map(byte).collect(),
        }
    }

    /// Those of `abc` (FIPS 180-4, examples).
    const ABC: [(DigestAlgorithm, &str); 4] = [
        (DigestAlgorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            DigestAlgorithm::Sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            DigestAlgorithm::Sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            DigestAlgorithm::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
             454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ];

    #[test]
    fn each_algorithm_knows_its_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"abc").unwrap();
        let other = digest(DigestAlgorithm::Sha1, &"00".repeat(20));
        for (algorithm, hex) in ABC {
            assert!(
                has_one(&file, &[other.clone(), digest(algorithm, hex)]).unwrap(),
                "{algorithm}"
            );
        }
        assert!(!has_one(&file, &[other]).unwrap());
        assert!(!has_one(&file, &[digest(DigestAlgorithm::BuildId, "00")]).unwrap());
        // A digest counts for its own algorithm alone.
        assert!(!has_one(&file, &[digest(DigestAlgorithm::BuildId, ABC[0].1)]).unwrap());
        file.write_all(b"d").unwrap();
        let all: Vec<_> = ABC.iter().map(|&(algorithm, hex)| digest(algorithm, hex)).collect();
        assert!(!has_one(&file, &all).unwrap());
    }

    #[test]
    fn what_is_longer_than_programs_are_is_not_read() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(LONGEST + 1).unwrap();
        let error = has_one(&file, &[digest(DigestAlgorithm::Sha1, ABC[0].1)]).unwrap_err();
        assert_eq!(error.to_string(), "it has more than 1024 MiB, use a build-id");
    }

    #[test]
    fn a_build_id_is_that_of_the_linker() {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let bytes = Elf::read(&file).unwrap().build_id().unwrap();
        let build_id = Digest {
            algorithm: DigestAlgorithm::BuildId,
            bytes,
        };
        assert!(has_one(&file, &[build_id]).unwrap());
    }
}
