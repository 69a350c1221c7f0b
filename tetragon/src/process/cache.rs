//! The cache itself: a table of images and an index by identity.

use std::{collections::HashMap, hash::BuildHasherDefault};

use ebpf_abi::map::ProcessKey;
use tetragon_api::v1::Process;

use super::{
    dead::{Dead, Death},
    hash::KeyHasher,
};

/// Smallest capacity.
const SMALLEST: usize = 16;

/// Bytes of text for each image that there is room for, and in any case: most have a tenth of the first, a few have
/// arguments of megabytes.
const TEXT: usize = 1_024;
const SMALLEST_TEXT: usize = 8 << 20;

/// Place of an image in the cache. Valid as long as the image is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(u32);

/// Images by identity.
#[derive(Debug)]
pub struct Cache {
    capacity: usize,
    /// Whether an ended image keeps its parent as long as it has children itself: then chains stay whole.
    chains: bool,
    index: HashMap<ProcessKey, Slot, BuildHasherDefault<KeyHasher>>,
    images: Vec<Option<Image>>,
    free: Vec<Slot>,
    dead: Dead,
    /// Where the search for an image to evict goes on.
    hand: usize,
    evicted: u64,
    /// Bytes of text in all images.
    text: usize,
}

#[derive(Debug)]
struct Image {
    key: ProcessKey,
    parent: ProcessKey,
    process: Process,
    text: usize,
    alive: bool,
    /// Images that hold this one as their parent.
    children: u32,
    holds_parent: bool,
    /// Asked for since the hand last passed.
    used: bool,
    /// Its number among the dead, if it is one of them.
    died: Option<Death>,
}

impl Image {
    fn references(&self) -> u32 {
        self.children.saturating_add(self.alive.into())
    }
}

impl Cache {
    /// Room for `capacity` images, at least 16, and a kibibyte of text for each, at least 8 MiB. With `chains`, ancestors are kept as long as a descendant lives.
    pub fn new(capacity: usize, chains: bool) -> Self {
        Self {
            capacity: capacity.max(SMALLEST),
            chains,
            index: HashMap::default(),
            images: Vec::new(),
            free: Vec::new(),
            dead: Dead::default(),
            hand: 0,
            evicted: 0,
            text: 0,
        }
    }

    /// Adds a living image, which holds its parent from now on. One of the same identity is replaced.
    pub fn insert(&mut self, key: ProcessKey, parent: ProcessKey, process: Process) -> Slot {
        if let Some(&slot) = self.index.get(&key) {
            self.remove(slot);
        }
        let text = text(&process);
        let limit = (self.capacity * TEXT).max(SMALLEST_TEXT).saturating_sub(text);
        while self.index.len() >= self.capacity || self.text > limit {
            if !self.evict(parent) {
                break;
            }
        }
        self.text += text;
        let holds_parent = parent != key && self.refer(parent);
        let image = Image {
            key,
            parent,
            process,
            text,
            alive: true,
            children: 0,
            holds_parent,
            used: true,
            died: None,
        };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.images.push(None);
            Slot(self.images.len() as u32 - 1)
        });
        self.images[slot.0 as usize] = Some(image);
        self.index.insert(key, slot);
        slot
    }

    /// The image `key`, if it is known.
    pub fn find(&mut self, key: ProcessKey) -> Option<Slot> {
        let slot = *self.index.get(&key)?;
        self.image_mut(slot)?.used = true;
        Some(slot)
    }

    /// Identity of the parent of `slot`.
    pub fn parent(&self, slot: Slot) -> Option<ProcessKey> {
        self.image(slot).map(|image| image.parent)
    }

    /// The process in `slot`.
    pub fn process(&self, slot: Slot) -> Option<&Process> {
        self.image(slot).map(|image| &image.process)
    }

    /// Takes the process out of `slot`, its number of references filled in, until [`Self::give_back`].
    pub fn lend(&mut self, slot: Slot) -> Option<Process> {
        let image = self.image_mut(slot)?;
        let mut process = std::mem::take(&mut image.process);
        process.refcnt = image.references();
        Some(process)
    }

    /// Puts back what [`Self::lend`] took.
    pub fn give_back(&mut self, slot: Slot, process: Process) {
        if let Some(image) = self.image_mut(slot) {
            image.process = process;
        }
    }

    /// Notes that `slot` has exited or gave way to another image.
    pub fn end(&mut self, slot: Slot) {
        let chains = self.chains;
        let Some(image) = self.image_mut(slot) else { return };
        if !std::mem::take(&mut image.alive) {
            return;
        }
        let (parent, children) = (image.parent, image.children);
        let lets_go = (!chains || children == 0) && std::mem::take(&mut image.holds_parent);
        if children == 0 {
            self.die(slot);
        }
        if lets_go {
            self.unrefer(parent);
        }
    }

    /// Notes that `slot` gave way to another image before anything could happen in it: it is dropped at once unless it
    /// has children.
    pub fn give_way(&mut self, slot: Slot) {
        if self.image(slot).is_some_and(|image| image.children == 0) {
            self.remove(slot);
        } else {
            self.end(slot);
        }
    }

    /// Identities of all images that live, the kernel's own process excepted.
    pub fn alive(&self) -> Vec<ProcessKey> {
        let images = self.images.iter().flatten();
        let alive = images.filter(|image| image.alive && image.key.pid != 0);
        alive.map(|image| image.key).collect()
    }

    /// One round of garbage collection: drops what died before the last round.
    pub fn collect(&mut self) {
        self.dead.tick();
        while let Some((slot, died)) = self.dead.ripe() {
            self.bury(slot, died);
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Images that were dropped although somebody may have asked for them, because the cache was full.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }

    fn image(&self, slot: Slot) -> Option<&Image> {
        self.images.get(slot.0 as usize)?.as_ref()
    }

    fn image_mut(&mut self, slot: Slot) -> Option<&mut Image> {
        self.images.get_mut(slot.0 as usize)?.as_mut()
    }

    /// Adds a reference; whether there was something to refer to.
    fn refer(&mut self, key: ProcessKey) -> bool {
        let Some(slot) = self.find(key) else { return false };
        let Some(image) = self.image_mut(slot) else {
            return false;
        };
        image.children = image.children.saturating_add(1);
        image.died = None;
        true
    }

    /// Takes a reference away, and those that fall with it.
    fn unrefer(&mut self, key: ProcessKey) {
        let mut next = Some(key);
        while let Some(key) = next.take() {
            let Some(&slot) = self.index.get(&key) else { return };
            let Some(image) = self.image_mut(slot) else { return };
            // Nothing to take when it was evicted and inserted anew.
            image.children = image.children.saturating_sub(1);
            if image.references() == 0 {
                next = std::mem::take(&mut image.holds_parent).then_some(image.parent);
                self.die(slot);
            }
        }
    }

    /// Nobody refers to `slot` any more.
    fn die(&mut self, slot: Slot) {
        let death = self.dead.push(slot);
        if let Some(image) = self.image_mut(slot) {
            image.died = Some(death);
        }
        if let Some((slot, died)) = self.dead.surplus() {
            self.bury(slot, died);
        }
    }

    /// Drops the image in `slot` if it is the one that died `died`; whether it was.
    fn bury(&mut self, slot: Slot, died: Death) -> bool {
        let dead = self.image(slot).is_some_and(|image| image.died == Some(died));
        if dead {
            self.remove(slot);
        }
        dead
    }

    fn remove(&mut self, slot: Slot) {
        let Some(image) = self.images.get_mut(slot.0 as usize).and_then(Option::take) else {
            return;
        };
        self.index.remove(&image.key);
        self.text -= image.text;
        self.free.push(slot);
        if image.holds_parent {
            self.unrefer(image.parent);
        }
    }

    /// Makes room: drops the longest dead, else one that was not asked for since the hand last passed. Spares `needed`
    /// and the kernel's own process; false when nothing else is there.
    fn evict(&mut self, needed: ProcessKey) -> bool {
        while let Some((slot, died)) = self.dead.oldest() {
            if self.bury(slot, died) {
                return true;
            }
        }
        for _ in 0..2 * self.images.len() {
            self.hand = (self.hand + 1) % self.images.len();
            let slot = Slot(self.hand as u32);
            let Some(image) = self.image_mut(slot) else { continue };
            if image.key == needed || image.key == ProcessKey::KERNEL || std::mem::take(&mut image.used) {
                continue;
            }
            self.evicted += 1;
            self.remove(slot);
            return true;
        }
        false
    }
}

/// Bytes of text in what can be long.
fn text(process: &Process) -> usize {
    let variables = process.environment_variables.iter();
    let variables: usize = variables
        .map(|var| size_of_val(var) + var.key.len() + var.value.len())
        .sum();
    process.cwd.len() + process.binary.len() + process.arguments.len() + variables
}
