//! The pages that a UMEM lies in: what was asked for, and what the kernel has given.

use packet_ring::xdp::{HugePages, Locking, Umem, UmemGeometry};
use packet_ring::{Error, Operation};
use packet_ring_lab::suite;
use packet_ring_lab::suite::TestResult;
use rustix::io::Errno;

/// 8 MiB.
const GEOMETRY: UmemGeometry = UmemGeometry::new_assert(4096, 2048);

/// The mappings of this process for which huge pages were asked.
fn advised() -> Result<usize, std::io::Error> {
    let smaps = std::fs::read_to_string("/proc/self/smaps")?;
    let flags = smaps.lines().filter(|line| line.starts_with("VmFlags:"));
    Ok(flags
        .filter(|line| line.split_whitespace().any(|flag| flag == "hg"))
        .count())
}

fn huge_pages_are_asked_for_and_what_was_given_is_told() -> TestResult {
    let before = advised()?;
    let (small, _) = Umem::with_pages(GEOMETRY, HugePages::None, Locking::None)?;
    assert_eq!((small.huge_page_bytes()?, advised()?), (0, before));
    let (huge, _) = Umem::new(GEOMETRY)?;
    assert_eq!(advised()?, before + 1);
    // How many there are, the machine's memory decides; but they are whole.
    let given = huge.huge_page_bytes()?;
    println!("{given} of {} bytes in huge pages", GEOMETRY.bytes());
    assert!(
        given <= GEOMETRY.bytes() && given.is_multiple_of(2 << 20),
        "{given}"
    );
    let setting = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")?;
    assert!(given == 0 || !setting.contains("[never]"), "{given}");
    Ok(())
}

fn pages_that_nobody_set_aside_are_an_error() -> TestResult {
    let set_aside = std::fs::read_to_string("/proc/sys/vm/nr_hugepages")?;
    let made = Umem::with_pages(GEOMETRY, HugePages::Reserved1G, Locking::None);
    if set_aside.trim() == "0" {
        let operation = Operation::MapMemory {
            bytes: GEOMETRY.bytes(),
        };
        let refused = made.unwrap_err();
        assert_eq!(
            refused,
            Error::System {
                operation,
                errno: refused.errno().ok_or("no errno")?
            }
        );
        // EINVAL where the kernel has no pages of this size at all.
        assert!(matches!(refused.errno(), Some(Errno::NOMEM | Errno::INVAL)));
    }
    Ok(())
}

suite![
    pages_that_nobody_set_aside_are_an_error;
    alone: huge_pages_are_asked_for_and_what_was_given_is_told,
];
