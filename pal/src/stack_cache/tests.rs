//! Reuse, limits and what is given back, with both kinds of guard.

extern crate std;

use std::os::fd::AsRawFd as _;
use std::vec::Vec;

use super::*;

fn stacks(cache: &StackCache, class: StackClass, count: usize) -> Vec<Stack> {
    let one = |_| {
        cache.reserve(class).expect("address space for tests");
        cache.alloc(class).expect("one was reserved")
    };
    (0..count).map(one).collect()
}

fn free(cache: &StackCache, stack: Stack) {
    // SAFETY: the tests' own stacks, which nothing runs on.
    unsafe { cache.free(&stack) };
}

fn lowest(stack: &Stack) -> *mut u8 {
    core::ptr::with_exposed_provenance_mut(stack.limit)
}

#[test]
fn a_freed_stack_is_the_next_one_out() {
    let cache = StackCache::new(Guards::probe().unwrap(), None).unwrap();
    let mut out = stacks(&cache, StackClass::K256, 3);
    let last = out.pop().unwrap();
    let (limit, top, id) = (last.limit, last.top, last.id);
    free(&cache, last);
    let again = cache.alloc(StackClass::K256).unwrap();
    assert_eq!((again.limit, again.top, again.id), (limit, top, id));
}

#[test]
fn no_more_are_out_than_were_reserved() {
    let cache = StackCache::new(Guards::probe().unwrap(), None).unwrap();
    let out = stacks(&cache, StackClass::M8, 9);
    assert_eq!(out.len(), 9);
    assert!(matches!(cache.alloc(StackClass::M8), Err(PlatformError::Limit { limit: 9, .. })));
}

#[test]
fn classes_are_reserved_apart() {
    let cache = StackCache::new(Guards::probe().unwrap(), None).unwrap();
    cache.reserve(StackClass::K64).unwrap();
    assert!(cache.alloc(StackClass::M1).is_err());
    assert!(cache.alloc(StackClass::K64).is_ok());
}

#[test]
fn above_high_water_memory_goes_back_and_all_stacks_stay() {
    let cache = StackCache::new(Guards::probe().unwrap(), None).unwrap();
    let class = StackClass::M8;
    let plan = Plan::of(class);
    let count = plan.warm + 4 * plan.batch;
    let out = stacks(&cache, class, count);
    for stack in &out {
        // SAFETY: the lowest usable byte of a stack of ours.
        unsafe { lowest(stack).write(1) };
    }
    for stack in out {
        free(&cache, stack);
    }
    let out = Vec::from_iter((0..count).map(|_| cache.alloc(class).expect("all came back")));
    let is_warm = |stack: &&Stack| {
        // SAFETY: as above.
        unsafe { lowest(stack).read() == 1 }
    };
    let warm = out.iter().filter(is_warm).count();
    assert!((plan.warm..plan.warm + plan.batch).contains(&warm), "{warm} of {count} kept memory");
    let mut limits = Vec::from_iter(out.iter().map(|stack| stack.limit));
    limits.sort_unstable();
    limits.dedup();
    assert_eq!(limits.len(), count, "no stack is out twice");
}

#[test]
fn guards_that_cost_mappings_are_limited_and_the_error_says_so() {
    let cache = StackCache::new(Guards::Mapping(3), None).unwrap();
    let out = stacks(&cache, StackClass::K64, 2);
    assert_eq!(out.len(), 2);
    cache.reserve(StackClass::M1).unwrap();
    for _ in 0..2 {
        let refusal = cache.reserve(StackClass::K64).unwrap_err();
        let PlatformError::Limit { what, limit } = refusal else { panic!("{refusal}") };
        assert!(what.contains("vm.max_map_count"), "{what}");
        assert_eq!(limit, 3);
    }
    assert!(cache.alloc(StackClass::M1).is_ok(), "what was reserved before can be had");
}

#[test]
fn in_locked_memory_a_marker_becomes_a_mapping_and_few_do() {
    if Guards::probe().unwrap().limit().is_some() {
        // A kernel without markers: all guards are mappings, as in the test above.
        return;
    }
    let cache = StackCache::new(Guards::Marker(1), None).unwrap();
    let class = StackClass::K64;
    let layout = cache.classes[class as usize].layout;
    for _ in 0..4 {
        cache.reserve(class).unwrap();
    }
    let first = cache.alloc(class).unwrap();
    for slot in 1..=2 {
        let guard = lowest(&first).wrapping_add(slot * layout.stride() - layout.guard);
        // SAFETY: locks a page that is the cache's, once it is touched; nothing is read or written.
        assert_eq!(unsafe { libc::mlock2(guard.cast(), 1, libc::MLOCK_ONFAULT) }, 0);
    }
    let second = cache.alloc(class).unwrap();
    assert_eq!(second.limit, first.limit + layout.stride());
    for _ in 0..2 {
        let refusal = cache.alloc(class).unwrap_err();
        assert!(matches!(refusal, PlatformError::Limit { limit: 1, .. }), "{refusal}");
    }
    assert!(cache.reserve(class).is_ok(), "in other memory there are as many as before");
}

#[test]
fn a_stack_whose_guard_was_refused_is_tried_again() {
    let cache = StackCache::new(Guards::probe().unwrap(), None).unwrap();
    cache.reserve(StackClass::K64).unwrap();
    let lists = &cache.classes[StackClass::K64 as usize].lists;
    let (taken, _) = lists.lock().take_out(0).unwrap();
    lists.lock().put_bare(taken.name);
    let again = cache.alloc(StackClass::K64).unwrap();
    assert_eq!(Name(again.id).number(), taken.name.number());
}

#[test]
fn a_class_gives_its_name_whatever_the_colour() {
    let cache = StackCache::new(Guards::probe().unwrap(), None).unwrap();
    for class in StackClass::ALL {
        let out = stacks(&cache, class, 2 * COLOURS);
        for stack in &out {
            let usable = stack.top - stack.limit;
            assert!(usable >= class.bytes() && usable < class.bytes() + 2 * page_bytes());
        }
    }
}

#[test]
fn threads_that_take_and_give_never_share_a_stack() {
    let cache = StackCache::new(Guards::probe().unwrap(), None).unwrap();
    let class = StackClass::M8;
    let each = Plan::of(class).warm;
    for _ in 0..4 * each {
        cache.reserve(class).unwrap();
    }
    std::thread::scope(|scope| {
        for name in 1..=4_u8 {
            let cache = &cache;
            scope.spawn(move || {
                for _ in 0..4 {
                    let out = Vec::from_iter((0..each).map(|_| cache.alloc(class).unwrap()));
                    for stack in &out {
                        // SAFETY: the lowest usable byte of a stack that is out to this thread.
                        unsafe { lowest(stack).write(name) };
                    }
                    for stack in out {
                        // SAFETY: as above.
                        assert_eq!(unsafe { lowest(&stack).read() }, name);
                        free(cache, stack);
                    }
                }
            });
        }
    });
}

#[test]
fn a_slot_is_in_one_segment_and_segments_follow_each_other() {
    for class in StackClass::ALL {
        let plan = Plan::of(class);
        let (mut segment, mut within) = (0, 0);
        for slot in 0..20 * plan.segment {
            if within == plan.slots_of(segment) {
                (segment, within) = (segment + 1, 0);
            }
            assert_eq!(plan.locate(slot), (segment, within), "slot {slot} of {class:?}");
            within += 1;
        }
        let (last, within) = plan.locate(STACKS_MAX - 1);
        assert_eq!(within + 1, plan.slots_of(last));
        assert_eq!((last + 1) * size_of::<usize>(), plan.table_bytes());
    }
}

#[test]
fn what_one_class_does_not_use_any_more_another_has() {
    let cache = StackCache::new(Guards::Mapping(40), None).unwrap();
    for class in [StackClass::K64, StackClass::M1, StackClass::K256, StackClass::K64] {
        let out = stacks(&cache, class, 40);
        assert!(cache.reserve(class).is_err(), "there are 40");
        for stack in out {
            assert_faults(stack.limit - 1);
            assert_faults(stack.limit - GUARD_BYTES);
            free(&cache, stack);
            cache.unreserve(class);
        }
        assert_eq!(cache.mapped.load(Ordering::Relaxed), 40);
    }
}

/// write(2) refuses to read it.
fn assert_faults(address: usize) {
    let (_reader, writer) = std::io::pipe().unwrap();
    let byte = core::ptr::with_exposed_provenance(address);
    // SAFETY: only the kernel reads the byte, and checks the address.
    let written = unsafe { libc::write(writer.as_raw_fd(), byte, 1) };
    assert_eq!(written, -1, "{address:#x} is no guard");
}

#[test]
fn guards_are_made_ahead_and_each_is_one() {
    let cache = StackCache::new(Guards::probe().unwrap(), None).unwrap();
    for stack in stacks(&cache, StackClass::K64, 300) {
        for below in [1, 16 << 10, 64 << 10] {
            assert_faults(stack.limit - below);
        }
        // SAFETY: the lowest usable byte of a stack of ours.
        unsafe { lowest(&stack).write(1) };
    }
}

/// write(2) can read it, and read(2) cannot write it.
fn assert_protected(address: usize) {
    let (reader, writer) = std::io::pipe().unwrap();
    let byte = core::ptr::with_exposed_provenance_mut(address);
    // SAFETY: only the kernel touches the byte, and checks the address.
    assert_eq!(unsafe { libc::write(writer.as_raw_fd(), byte, 1) }, 1);
    // SAFETY: the same.
    assert_eq!(unsafe { libc::read(reader.as_raw_fd(), byte, 1) }, -1, "{address:#x} is no guard");
}

#[test]
fn beyond_the_mappings_guards_are_of_another_kind_and_outlast_what_is_given_back() {
    // Linux before 5.11, another instruction set, a sandbox.
    let Some(beyond) = Beyond::probe() else { return };
    let cache = StackCache::new(Guards::Mapping(3), Some(beyond)).unwrap();
    let class = StackClass::M8;
    let plan = Plan::of(class);
    let count = 3 + plan.warm + 2 * plan.batch;
    for _ in 0..3 {
        let out = stacks(&cache, class, count);
        for (index, stack) in out.iter().enumerate() {
            // SAFETY: the lowest usable byte of a stack of ours.
            unsafe { lowest(stack).write(1) };
            if Name(stack.id).with_mapping() == Name(stack.id) {
                continue;
            }
            assert_protected(stack.limit - 1);
            if index % 16 == 0 {
                assert_protected(stack.limit - GUARD_BYTES);
            }
        }
        for stack in out {
            free(&cache, stack);
            cache.unreserve(class);
        }
        assert_eq!(cache.mapped.load(Ordering::Relaxed), 3);
    }
}
