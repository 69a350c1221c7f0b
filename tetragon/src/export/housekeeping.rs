//! What happens to rotated files: the oldest are deleted, the others compressed. On a thread of its own, which exists
//! from the first rotation on.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::FileOptions;
use super::backups::{Backup, GZ, Names, PARTIAL};

/// The thread, once there is work.
#[derive(Default)]
pub(super) struct Housekeeping(Option<(SyncSender<()>, JoinHandle<()>)>);

impl Housekeeping {
    /// Looks after the backups of the file, now or as soon as the thread is done with what it does.
    pub(super) fn wake(&mut self, options: &FileOptions) {
        if options.max_backups == 0 && !options.compress {
            return;
        }
        if self.0.is_none() {
            // One request waiting is enough: each looks at everything.
            let (sender, receiver) = sync_channel(1);
            let options = options.clone();
            let thread = std::thread::Builder::new()
                .name("tetragon-export".into())
                .stack_size(1 << 20)
                .spawn(move || serve(&options, &receiver));
            match thread {
                Ok(thread) => self.0 = Some((sender, thread)),
                Err(error) => {
                    tracing::warn!(%error, "Cannot start the thread that looks after rotated files");
                    return;
                }
            }
        }
        if let Some((sender, _)) = &self.0 {
            let _waiting_already = sender.try_send(());
        }
    }
}

impl Drop for Housekeeping {
    /// Waits for the work that was asked for.
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.0.take() {
            drop(sender);
            let _panicked = thread.join();
        }
    }
}

fn serve(options: &FileOptions, requests: &Receiver<()>) {
    let names = Names::of(&options.path);
    let mut failing = false;
    while requests.recv().is_ok() {
        match tidy(&names, options) {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::warn!(%error, path = %options.path.display(), "Cannot look after rotated export files");
            }
            Err(_) => {}
        }
    }
}

/// Deletes and compresses what there is to delete and to compress.
fn tidy(names: &Names, options: &FileOptions) -> io::Result<()> {
    let mut backups = names.list()?;
    // Left behind by an agent that was killed.
    for partial in backups.extract_if(.., |backup| backup.suffix == PARTIAL) {
        fs::remove_file(&partial.path)?;
    }
    let mut times: Vec<&str> = backups.iter().map(|backup| backup.time.as_str()).collect();
    times.dedup();
    let keep = if options.max_backups == 0 {
        times.len()
    } else {
        options.max_backups
    };
    let oldest_kept = times.len().checked_sub(keep).and_then(|index| times.get(index));
    let oldest_kept = oldest_kept.copied().unwrap_or_default().to_owned();
    for backup in &backups {
        if backup.time < oldest_kept {
            fs::remove_file(&backup.path)?;
        } else if options.compress && backup.suffix.is_empty() {
            compress(backup)?;
        }
    }
    Ok(())
}

/// Replaces a backup by a compressed one with the same permissions and owner. There is never half a file under the
/// final name.
fn compress(Backup { path, .. }: &Backup) -> io::Result<()> {
    let mut plain = File::open(path)?;
    let metadata = plain.metadata()?;
    let partial = with_suffix(path, PARTIAL);
    let result = (|| {
        let target = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(metadata.permissions().mode() & 0o777)
            .open(&partial)?;
        // Only root can give files away; the file of anyone else is theirs already.
        let _not_root = std::os::unix::fs::fchown(&target, Some(metadata.uid()), Some(metadata.gid()));
        let mut encoder = GzEncoder::new(target, Compression::default());
        io::copy(&mut plain, &mut encoder)?;
        encoder.finish()?;
        fs::rename(&partial, with_suffix(path, GZ))?;
        fs::remove_file(path)
    })();
    if result.is_err() {
        let _not_there = fs::remove_file(&partial);
    }
    result
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
