use std::collections::HashMap;

use ebpf_abi::map::ProcessKey;
use proptest::prelude::*;
use tetragon_api::v1::Process;

use super::{Cache, Slot};

fn key(pid: u32) -> ProcessKey {
    ProcessKey::new(pid, u64::from(pid) * 10)
}

fn insert(cache: &mut Cache, pid: u32, parent: u32) -> Slot {
    let process = Process {
        pid: Some(pid),
        ..Process::default()
    };
    cache.insert(key(pid), key(parent), process)
}

fn references(cache: &mut Cache, pid: u32) -> Option<u32> {
    let slot = cache.find(key(pid))?;
    let process = cache.lend(slot)?;
    let references = process.refcnt;
    assert_eq!(process.pid, Some(pid));
    cache.give_back(slot, process);
    Some(references)
}

#[test]
fn the_dead_stay_for_a_whole_round() {
    let mut cache = Cache::new(100, false);
    insert(&mut cache, 1, 0);
    let child = insert(&mut cache, 2, 1);
    assert_eq!(references(&mut cache, 1), Some(2));
    cache.end(child);
    cache.end(child);
    assert_eq!(references(&mut cache, 1), Some(1));
    assert_eq!(references(&mut cache, 2), Some(0));
    cache.collect();
    assert_eq!(references(&mut cache, 2), Some(0));
    cache.collect();
    assert_eq!(references(&mut cache, 2), None);
    assert_eq!(cache.len(), 1);
}

#[test]
fn a_parent_outlives_its_children() {
    let mut cache = Cache::new(100, false);
    let parent = insert(&mut cache, 1, 0);
    let child = insert(&mut cache, 2, 1);
    cache.end(parent);
    for _ in 0..5 {
        cache.collect();
    }
    assert_eq!(references(&mut cache, 1), Some(1));
    cache.end(child);
    cache.collect();
    cache.collect();
    assert!(cache.is_empty());
}

#[test]
fn chains_last_as_long_as_their_end() {
    for chains in [false, true] {
        let mut cache = Cache::new(100, chains);
        let slots = [1, 2, 3].map(|pid| insert(&mut cache, pid, pid - 1));
        cache.end(slots[0]);
        cache.end(slots[1]);
        cache.collect();
        cache.collect();
        assert_eq!(references(&mut cache, 2), Some(1));
        assert_eq!(references(&mut cache, 1), chains.then_some(1));
        cache.end(slots[2]);
        cache.collect();
        cache.collect();
        assert!(cache.is_empty());
    }
}

#[test]
fn an_image_that_gave_way_is_forgotten_unless_it_has_children() {
    let mut cache = Cache::new(100, false);
    for children in [false, true] {
        let slot = insert(&mut cache, 5, 1);
        if children {
            insert(&mut cache, 6, 5);
        }
        cache.give_way(slot);
        assert_eq!(cache.find(key(5)).is_some(), children);
    }
}

#[test]
fn room_is_made_by_the_dead_then_by_the_unused() {
    let mut cache = Cache::new(16, false);
    let slots: Vec<_> = (1..=16).map(|pid| insert(&mut cache, pid, 0)).collect();
    cache.end(slots[7]);
    insert(&mut cache, 17, 0);
    assert_eq!((cache.find(key(8)), cache.evicted()), (None, 0));
    insert(&mut cache, 18, 2);
    assert_eq!((cache.len(), cache.evicted()), (16, 1));
    // The one whose child was just inserted was spared.
    assert!(cache.find(key(2)).is_some());
}

#[test]
fn few_dead_are_kept() {
    let mut cache = Cache::new(100_000, false);
    for pid in 1..=10_000 {
        let slot = insert(&mut cache, pid, 0);
        cache.end(slot);
        assert!(cache.find(key(pid)).is_some());
    }
    assert_eq!((cache.len(), cache.evicted()), (1_024, 0));
}

/// Slots are used again and again, also by images that died and were dropped before their turn came.
#[test]
fn an_ended_image_is_there_for_its_own_exit_event() {
    let mut cache = Cache::new(100_000, false);
    for pid in (1..=20_000).step_by(2) {
        let first = insert(&mut cache, pid, 0);
        if pid % 3 == 0 {
            cache.end(first);
        }
        cache.give_way(first);
        assert_eq!(cache.find(key(pid)), None);
        let second = insert(&mut cache, pid + 1, 0);
        cache.end(second);
        assert!(cache.find(key(pid + 1)).is_some(), "{pid}");
    }
}

#[test]
fn text_is_bounded_too() {
    let mut cache = Cache::new(100, false);
    for pid in 1..=50 {
        let process = Process {
            pid: Some(pid),
            arguments: "x".repeat(1 << 20),
            ..Process::default()
        };
        cache.insert(key(pid), key(pid - 1), process);
        assert!(cache.len() <= 8);
    }
    assert_eq!(cache.evicted(), 42);
    // One that is larger than all there is room for is kept all the same, alone with its parent.
    let process = Process {
        arguments: "x".repeat(20 << 20),
        ..Process::default()
    };
    cache.insert(key(100), key(50), process);
    assert_eq!(cache.len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any history of processes: bounded, parents there while children live (unless evicted), nothing left in the end.
    #[test]
    fn bounded_and_without_leaks(
        capacity in 16_usize..200,
        chains in any::<bool>(),
        steps in proptest::collection::vec((0_u32..60, any::<prop::sample::Index>()), 0..500),
    ) {
        let mut cache = Cache::new(capacity, chains);
        // Living processes and their parents.
        let mut living: HashMap<u32, u32> = HashMap::new();
        let mut next = 1;
        for (action, which) in steps {
            let mut pids: Vec<u32> = living.keys().copied().collect();
            pids.sort_unstable();
            let chosen = if pids.is_empty() { 0 } else { pids[which.index(pids.len())] };
            match action {
                0 => cache.collect(),
                1..30 => {
                    insert(&mut cache, next, chosen);
                    living.insert(next, chosen);
                    next += 1;
                }
                _ => {
                    if let Some(slot) = cache.find(key(chosen)) {
                        cache.end(slot);
                    }
                    living.remove(&chosen);
                }
            }
            prop_assert!(cache.len() <= capacity);
            if cache.evicted() == 0 {
                for (&pid, &parent) in &living {
                    prop_assert!(cache.find(key(pid)).is_some());
                    prop_assert!(parent == 0 || cache.find(key(parent)).is_some());
                }
            }
        }
        for &pid in living.keys() {
            if let Some(slot) = cache.find(key(pid)) {
                cache.end(slot);
            }
        }
        cache.collect();
        cache.collect();
        prop_assert!(cache.is_empty(), "{} left", cache.len());
    }
}
