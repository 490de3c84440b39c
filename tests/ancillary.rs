//! What a packet socket's filter sees of real packets, held against the interpreter: headers, and what
//! the kernel knows beside the bytes.

mod data_path;

use packet_ring::bpf::{
    Ancillary, Context, Program, SKF_LL_OFF, SKF_NET_OFF, Size, Source, Statement,
};
use packet_ring::packet::{LinkHeader, Rx};
use packet_ring::{Deadline, Error};
use packet_ring_lab::suite::{Stopped, TestResult};
use packet_ring_lab::{VethOptions, frame, suite};

use data_path::{Bench, PATIENCE, PROMPT, Receiving, interface, next};

const IPV4: u16 = 0x0800;
/// Length of an Ethernet header, and of an IPv4 and a UDP header behind one another, in bytes.
const ETHERNET: usize = 14;
const IPV4_AND_UDP: u32 = 28;
/// Long enough for its length to show any byte.
const LONG: usize = 400;
/// `ARPHRD_ETHER` and `PACKET_BROADCAST`, of the kernel's headers.
const ARPHRD_ETHER: u16 = 1;
const PACKET_BROADCAST: u8 = 1;

/// Replaces the filter by these statements and an end that keeps 1 + one byte of the accumulator.
fn show_byte(
    socket: &mut Receiving,
    statements: &[Statement],
    byte: u32,
) -> Result<Vec<packet_ring::bpf::Instruction>, Error> {
    let end = [
        Statement::Rsh(Source::K(8 * byte)),
        Statement::And(Source::K(0xff)),
        Statement::Add(Source::K(1)),
        Statement::RetA,
    ];
    let whole = statements.iter().chain(&end);
    let program: Vec<_> = whole.map(|statement| statement.instruction()).collect();
    socket.replace_filter(&program, Deadline::after(PATIENCE))?;
    Ok(program)
}

/// The accumulator as the statements leave it in the kernel, over a frame that is sent; demands that the
/// interpreter gives the same verdicts over `context`.
fn accumulator(
    bench: &mut Bench,
    statements: &[Statement],
    sent: &[u8],
    context: &Context<'_>,
) -> Result<u32, Stopped> {
    let mut value = 0;
    for byte in 0..4 {
        let program = show_byte(&mut bench.socket, statements, byte)?;
        bench.injector.send(sent)?;
        let block = next(&mut bench.socket)?;
        let captured = block.packets().next().ok_or("no packet")?.captured_len();
        let ours = Program::new(&program)?.run(context);
        assert_eq!(ours, captured, "byte {byte} of {statements:?}");
        value |= (captured - 1) << (8 * byte);
    }
    Ok(value)
}

/// What the kernel knows of a frame that was received at the far end.
fn received<'a>(bench: &Bench, bytes: &'a [u8], protocol: u16) -> Result<Context<'a>, Stopped> {
    Ok(Context {
        protocol,
        packet_type: PACKET_BROADCAST,
        interface_index: interface(&bench.pair.far)?.index(),
        hardware_type: ARPHRD_ETHER,
        ..Context::new(bytes)
    })
}

/// Every load that a frame has one answer to.
const CERTAIN: [Ancillary; 12] = [
    Ancillary::Protocol,
    Ancillary::Pkttype,
    Ancillary::Ifindex,
    Ancillary::Nlattr,
    Ancillary::NlattrNest,
    Ancillary::Mark,
    Ancillary::Hatype,
    Ancillary::AluXorX,
    Ancillary::VlanTag,
    Ancillary::VlanTagPresent,
    Ancillary::VlanTpid,
    Ancillary::PayOffset,
];

fn each_ancillary_load_brings_what_the_kernel_knows() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let bare = frame::numbered(7, LONG);
    let context = received(&bench, &bare, frame::ETHERTYPE)?;
    let mut values = Vec::new();
    for what in CERTAIN {
        let statements = [
            Statement::LdxImm(5),
            Statement::LdImm(3),
            Statement::LdAd(what),
        ];
        values.push(accumulator(&mut bench, &statements, &bare, &context)?);
    }
    let index = context.interface_index;
    assert_eq!(values, [0x88b5, 1, index, 0, 0, 0, 1, 6, 0, 0, 0, 0]);
    Ok(())
}

fn a_vlan_tag_is_told_beside_the_packet() -> TestResult {
    const VLAN: u16 = 0x345;
    let mut bench = Bench::new(PROMPT)?;
    let tagged = frame::numbered_vlan(VLAN, 7, LONG);
    // The tag is not among the bytes that the filter sees.
    let bytes = [&tagged[..12], &tagged[16..]].concat();
    let context = Context {
        vlan_tci: VLAN,
        vlan_tpid: 0x8100,
        ..received(&bench, &bytes, frame::ETHERTYPE)?
    };
    for (what, expected) in [
        (Ancillary::VlanTag, VLAN.into()),
        (Ancillary::VlanTagPresent, 1),
        (Ancillary::VlanTpid, 0x8100),
        (Ancillary::Protocol, frame::ETHERTYPE.into()),
    ] {
        let value = accumulator(&mut bench, &[Statement::LdAd(what)], &tagged, &context)?;
        assert_eq!(value, expected, "{what:?}");
    }
    let inner = [Statement::LdAbs(Size::H, 12)];
    let value = accumulator(&mut bench, &inner, &tagged, &context)?;
    assert_eq!(value, frame::ETHERTYPE.into());
    Ok(())
}

fn the_payload_lies_behind_the_transport_header() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let sent = frame::numbered_udp(7, LONG);
    let payload_offset = ETHERNET as u32 + IPV4_AND_UDP;
    let context = Context {
        payload_offset,
        ..received(&bench, &sent, IPV4)?
    };
    let asked = [Statement::LdAd(Ancillary::PayOffset)];
    let value = accumulator(&mut bench, &asked, &sent, &context)?;
    assert_eq!(value, payload_offset);
    Ok(())
}

/// Loads from both headers, within the packet, at its end and beyond.
fn headers() -> Vec<Vec<Statement>> {
    use Statement as S;
    let mut loads = Vec::new();
    for base in [0, SKF_LL_OFF, SKF_NET_OFF] {
        for offset in [0, 9, 12] {
            for size in [Size::B, Size::H, Size::W] {
                loads.push(vec![S::LdAbs(size, base + offset)]);
            }
        }
        loads.push(vec![S::LdxImm(6), S::LdInd(Size::W, base + 3)]);
        loads.push(vec![S::LdxImm(base + 4), S::LdInd(Size::H, 8)]);
        loads.push(vec![S::LdxMsh(base), S::Txa]);
    }
    loads.push(vec![S::LdLen]);
    loads
}

fn loads_count_from_the_headers() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let sent = frame::numbered_udp(0x0102_0304_0506_0708, LONG);
    let context = received(&bench, &sent, IPV4)?;
    for statements in headers() {
        accumulator(&mut bench, &statements, &sent, &context)?;
    }
    let udp = [Statement::LdAbs(Size::B, SKF_NET_OFF + 9)];
    assert_eq!(accumulator(&mut bench, &udp, &sent, &context)?, 17);
    let ether_type = [Statement::LdAbs(Size::H, SKF_LL_OFF + 12)];
    let value = accumulator(&mut bench, &ether_type, &sent, &context)?;
    assert_eq!(value, IPV4.into());
    Ok(())
}

fn loads_reach_a_removed_link_header() -> TestResult {
    let rings = Rx::new(PROMPT).link_header(LinkHeader::Removed);
    let mut bench = Bench::with(rings, &VethOptions::default())?;
    let sent = frame::numbered_udp(0x0102_0304_0506_0708, LONG);
    let context = Context {
        data: ETHERNET,
        len: (LONG - ETHERNET) as u32,
        ..received(&bench, &sent, IPV4)?
    };
    for statements in headers() {
        accumulator(&mut bench, &statements, &sent, &context)?;
    }
    let ether_type = [Statement::LdAbs(Size::H, SKF_LL_OFF + 12)];
    let value = accumulator(&mut bench, &ether_type, &sent, &context)?;
    assert_eq!(value, IPV4.into());
    Ok(())
}

fn a_load_beyond_the_packet_drops_it() -> TestResult {
    let mut bench = Bench::new(PROMPT)?;
    let sent = frame::numbered(7, LONG);
    let len = LONG as u32;
    let net = SKF_NET_OFF + len - ETHERNET as u32;
    for (offset, size, kept) in [
        (len - 4, Size::W, true),
        (len - 3, Size::W, false),
        (len - 1, Size::B, true),
        (len, Size::B, false),
        (net - 2, Size::H, true),
        (net - 1, Size::H, false),
        (SKF_LL_OFF + len - 1, Size::B, true),
        (SKF_LL_OFF + len, Size::B, false),
        (SKF_LL_OFF - 1, Size::B, false),
        (i32::MAX as u32, Size::B, false),
    ] {
        let program = [
            Statement::LdAbs(size, offset).instruction(),
            Statement::RetK(9).instruction(),
        ];
        let verdict = Program::new(&program)?.run(&Context::new(&sent));
        assert_eq!(verdict, if kept { 9 } else { 0 }, "{size:?} at {offset:#x}");
        let end = Deadline::after(PATIENCE);
        bench.socket.replace_filter(&program, end)?;
        let before = bench.socket.statistics()?.packets;
        bench.injector.send(&sent)?;
        // A veth delivers before the call has returned, but for a softirq that another processor runs:
        // the second frame, kept in any case, comes behind it.
        bench
            .socket
            .replace_filter(&[Statement::RetK(1).instruction()], end)?;
        bench.injector.send(&sent)?;
        let _ = next(&mut bench.socket)?;
        let passed = bench.socket.statistics()?.packets - before;
        assert_eq!(passed, 1 + u64::from(kept), "{size:?} at {offset:#x}");
    }
    Ok(())
}

/// Those that no frame decides: their ranges, and that they are asked anew.
fn what_only_the_kernel_knows_is_in_its_range() -> TestResult {
    use Statement as S;
    let mut bench = Bench::new(PROMPT)?;
    let sent = frame::numbered(7, LONG);
    let processors = std::thread::available_parallelism()?.get().max(1_024) as u32;
    let twice = S::Jeq(Source::X, 1, 0);
    for (statements, len) in [
        (
            vec![S::LdAd(Ancillary::Cpu), S::Jgt(Source::K(processors), 1, 0)],
            20,
        ),
        (
            vec![S::LdAd(Ancillary::Queue), S::Jgt(Source::K(1), 1, 0)],
            20,
        ),
        (
            vec![
                S::LdAd(Ancillary::Random),
                S::Tax,
                S::LdAd(Ancillary::Random),
                twice,
            ],
            20,
        ),
        (
            vec![
                S::LdAd(Ancillary::Rxhash),
                S::Tax,
                S::LdAd(Ancillary::Rxhash),
                twice,
            ],
            30,
        ),
    ] {
        let program: Vec<_> = statements
            .iter()
            .chain(&[S::RetK(20), S::RetK(30)])
            .map(|statement| statement.instruction())
            .collect();
        bench
            .socket
            .replace_filter(&program, Deadline::after(PATIENCE))?;
        bench.injector.send(&sent)?;
        let block = next(&mut bench.socket)?;
        let packet = block.packets().next().ok_or("no packet")?;
        assert_eq!(packet.captured_len(), len, "{statements:?}");
    }
    Ok(())
}

suite![
    each_ancillary_load_brings_what_the_kernel_knows,
    a_vlan_tag_is_told_beside_the_packet,
    the_payload_lies_behind_the_transport_header,
    loads_count_from_the_headers,
    loads_reach_a_removed_link_header,
    a_load_beyond_the_packet_drops_it,
    what_only_the_kernel_knows_is_in_its_range,
];
