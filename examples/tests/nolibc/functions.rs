//! `memcpy` and its like, held to what C says of them.

// Under other names than C's, which stay the test's own.
#[path = "../../nolibc/src/memory.rs"]
mod memory;

use packet_ring_lab::suite::TestResult;

const LEN: usize = 12;

fn numbers() -> [u8; LEN] {
    core::array::from_fn(|i| i as u8 + 1)
}

pub(crate) fn what_the_compiler_calls_does_what_c_says() -> TestResult {
    for from in 0..LEN {
        for to in 0..LEN {
            for len in 0..=LEN - from.max(to) {
                moves(from, to, len);
            }
        }
    }
    let (one, mut other) = (numbers(), numbers());
    for len in 0..=LEN {
        assert_eq!(compares(&one[..len], &other[..len]), [0, 0]);
    }
    for (at, byte) in [(0, 0), (5, 255), (LEN - 1, 0)] {
        other[at] = byte;
        let [order, equal] = compares(&one, &other);
        assert_eq!(order.signum(), one.cmp(&other) as i32);
        assert_ne!(equal, 0);
        // What lies behind is not looked at.
        assert_eq!(compares(&one[..at], &other[..at]), [0, 0]);
        other[at] = one[at];
    }
    for text in [c"", c"a", c"capture"] {
        // SAFETY: it ends with a zero.
        let len = unsafe { memory::strlen(text.as_ptr()) };
        assert_eq!(len, text.count_bytes());
    }
    Ok(())
}

/// Moves so many bytes within an array, and copies and sets as many elsewhere.
fn moves(from: usize, to: usize, len: usize) {
    let mut expected = numbers();
    expected.copy_within(from..from + len, to);
    let mut moved = numbers();
    let place = moved.as_mut_ptr();
    let (source, target) = (place.wrapping_add(from), place.wrapping_add(to));
    // SAFETY: so many bytes of the array; they may overlap.
    let returned = unsafe { memory::memmove(target, source, len) };
    assert_eq!((moved, returned), (expected, target));

    let mut expected = [0; LEN];
    expected[to..to + len].copy_from_slice(&numbers()[from..from + len]);
    let mut copied = [0; LEN];
    let target = copied[to..].as_mut_ptr();
    // SAFETY: so many bytes of two arrays.
    let returned = unsafe { memory::memcpy(target, numbers()[from..].as_ptr(), len) };
    assert_eq!((copied, returned), (expected, target));

    expected[to..to + len].fill(0xab);
    // SAFETY: so many bytes of the array.
    let returned = unsafe { memory::memset(target, 0x1ab, len) };
    assert_eq!((copied, returned), (expected, target));
}

/// As `memcmp` and `bcmp` have it.
fn compares(one: &[u8], other: &[u8]) -> [i32; 2] {
    let (left, right, len) = (one.as_ptr(), other.as_ptr(), one.len());
    // SAFETY: both have so many bytes.
    let order = unsafe { memory::memcmp(left, right, len) };
    // SAFETY: the same.
    [order, unsafe { memory::bcmp(left, right, len) }]
}
