//! Loads: of the packet's bytes, within its bounds, and of what is known beside them.
//!
//! The verifier wants to see each access compared with the packet's end before it is made. It follows
//! an address through constants and through a register whose largest value it knows, up to an offset of
//! 65,535.

use super::assembler::{Label, TooFar};
use super::code::{self, Operand, alu, alu64, call, jump_if, jump_if32};
use super::{A, CONTEXT, DATA, SPARE, STACK, Translator, X};
use crate::abi::bpf::{Extended, Register, helper, xdp_md};
use crate::bpf::{Ancillary, SKF_LL_OFF, SKF_NET_OFF, Size};
use Operand::{K, R};
use Register::{R0, R1, R2, R3, R4};

/// The last offset that can be loaded from: four bytes from here on end where addresses can be followed.
pub(in crate::xdp) const FARTHEST: u32 = 0xffff - 4;

/// Where the network header lies: XDP sees Ethernet frames, with their VLAN tags in place.
const NETWORK_HEADER: u32 = 14;
const ETHER_TYPE: u32 = 12;

/// Lengths, not types, are below this: `ETH_P_802_3_MIN`.
const FIRST_ETHER_TYPE: i32 = 0x600;
/// `ETH_P_802_3` and `ETH_P_802_2`: what the kernel calls frames with a length in place of a type.
const ETH_P_802_3: i32 = 1;
const ETH_P_802_2: i32 = 4;

impl Translator<'_, '_> {
    /// `register` = the bytes at a constant offset. False where no packet has any: nothing goes on then.
    pub(super) fn load_at(
        &mut self,
        size: Size,
        register: Register,
        offset: u32,
    ) -> Result<bool, TooFar> {
        let place = match offset {
            0..=0x7fff_ffff => offset,
            SKF_NET_OFF.. => offset - SKF_NET_OFF + NETWORK_HEADER,
            SKF_LL_OFF.. => offset - SKF_LL_OFF,
            _ => u32::MAX,
        };
        if place > FARTHEST {
            self.code.go_to(self.reject)?;
            return Ok(false);
        }
        let bytes = size.bytes() as i32;
        let place = place as i32;
        self.code.push(&[
            alu64(code::MOV, R3, R(DATA)),
            alu64(code::ADD, R3, K(place + bytes)),
        ]);
        self.load_before_r3(size, register, &[alu(code::MOV, R2, K(place))])?;
        Ok(true)
    }

    /// A = the bytes at X + `offset`.
    pub(super) fn load_at_x(&mut self, size: Size, offset: u32) -> Result<(), TooFar> {
        let far = FARTHEST as i32;
        self.code.push(&[
            // In this order: newer verifiers note that a sum is X and a constant, and then refuse an address
            // of it where the constant alone would be too large.
            alu(code::MOV, R2, K(offset.cast_signed())),
            alu(code::ADD, R2, R(X)),
            // An offset into the packet skips what follows; another counts from a header, or is none.
            jump_if(code::LE, R2, K(far)).with_offset(5),
            jump_if32(code::GE, R2, K(SKF_NET_OFF.cast_signed())).with_offset(3),
        ]);
        self.code.jump(
            jump_if32(code::LT, R2, K(SKF_LL_OFF.cast_signed())),
            self.reject,
        )?;
        self.code.push(&[
            alu(code::SUB, R2, K(SKF_LL_OFF.cast_signed())),
            code::jump().with_offset(1),
            alu(
                code::SUB,
                R2,
                K((SKF_NET_OFF - NETWORK_HEADER).cast_signed()),
            ),
        ]);
        self.code.jump(jump_if(code::GT, R2, K(far)), self.reject)?;
        self.code.push(&[
            alu64(code::MOV, R3, R(DATA)),
            alu64(code::ADD, R3, R(R2)),
            alu64(code::ADD, R3, K(size.bytes() as i32)),
        ]);
        self.load_before_r3(size, A, &[])
    }

    /// `register` = the bytes that end at R3; rejects where that is behind the packet's end.
    ///
    /// Where packets lie in pieces, what is behind the end of the first is asked of the kernel.
    /// `place_to_r2` puts the offset of the bytes into R2, where it is not yet there.
    fn load_before_r3(
        &mut self,
        size: Size,
        register: Register,
        place_to_r2: &[Extended],
    ) -> Result<(), TooFar> {
        let bytes = size.bytes() as i16;
        self.code
            .push(&[code::load(Size::W, R4, CONTEXT, xdp_md::DATA_END)]);
        if self.target.fragments {
            let skipped = 8 + place_to_r2.len() as i16;
            self.code
                .push(&[jump_if(code::LE, R3, R(R4)).with_offset(skipped)]);
            self.code.push(place_to_r2);
            self.code.push(&[
                alu64(code::MOV, R1, R(CONTEXT)),
                alu64(code::MOV, R3, R(STACK)),
                alu64(code::ADD, R3, K(SPARE.into())),
                alu(code::MOV, R4, K(bytes.into())),
                call(helper::XDP_LOAD_BYTES),
            ]);
            self.code.jump(jump_if(code::NE, R0, K(0)), self.reject)?;
            self.code.push(&[
                alu64(code::MOV, R3, R(STACK)),
                alu64(code::ADD, R3, K((SPARE + bytes).into())),
            ]);
        } else {
            self.code.jump(jump_if(code::GT, R3, R(R4)), self.reject)?;
        }
        self.code.push(&[code::load(size, register, R3, -bytes)]);
        if !matches!(size, Size::B) {
            self.code.push(&[code::from_network_order(size, register)]);
        }
        Ok(())
    }

    /// `register` = the packet's length.
    pub(super) fn load_length(&mut self, register: Register) {
        if self.target.fragments {
            self.code.push(&[
                alu64(code::MOV, R1, R(CONTEXT)),
                call(helper::XDP_GET_BUFF_LEN),
                alu(code::MOV, register, R(R0)),
            ]);
        } else {
            self.code.push(&[
                code::load(Size::W, R2, CONTEXT, xdp_md::DATA_END),
                alu64(code::SUB, R2, R(DATA)),
                alu(code::MOV, register, R(R2)),
            ]);
        }
    }

    /// What can be known before the kernel has made an `sk_buff` of the packet.
    pub(super) fn load_ancillary(&mut self, what: Ancillary) -> Result<Known, TooFar> {
        use Ancillary as Ad;
        match what {
            Ad::Protocol => self.load_protocol()?,
            Ad::Ifindex => {
                self.code
                    .push(&[code::load(Size::W, A, CONTEXT, xdp_md::INGRESS_IFINDEX)]);
            }
            // The kernel's `queue_mapping` of a received packet is its queue and one.
            Ad::Queue => self.code.push(&[
                code::load(Size::W, A, CONTEXT, xdp_md::RX_QUEUE_INDEX),
                alu(code::ADD, A, K(1)),
            ]),
            Ad::Cpu => self.call_for_a(helper::GET_SMP_PROCESSOR_ID),
            Ad::Random => self.call_for_a(helper::GET_PRANDOM_U32),
            Ad::AluXorX => self.code.push(&[alu(code::XOR, A, R(X))]),
            // The tag lies in the packet: none was taken out of it.
            Ad::VlanTag | Ad::VlanTagPresent | Ad::VlanTpid => {
                self.code.push(&[alu(code::MOV, A, K(0))]);
            }
            Ad::Pkttype
            | Ad::Nlattr
            | Ad::NlattrNest
            | Ad::Mark
            | Ad::Hatype
            | Ad::Rxhash
            | Ad::PayOffset => return Ok(Known::No),
        }
        Ok(Known::Yes)
    }

    fn call_for_a(&mut self, helper: i32) {
        self.code.push(&[call(helper), alu(code::MOV, A, R(R0))]);
    }

    /// A = the protocol as `eth_type_trans` makes it out.
    fn load_protocol(&mut self) -> Result<(), TooFar> {
        let known = Label(self.at + 1);
        self.load_at(Size::H, A, ETHER_TYPE)?;
        self.code
            .jump(jump_if(code::GE, A, K(FIRST_ETHER_TYPE)), known)?;
        // The kernel looks at what follows a length where there is something.
        self.load_length(A);
        self.code.push(&[
            jump_if(code::GT, A, K(NETWORK_HEADER as i32 + 1)).with_offset(2),
            alu(code::MOV, A, K(ETH_P_802_2)),
        ]);
        self.code.go_to(known)?;
        self.load_at(Size::H, A, NETWORK_HEADER)?;
        self.code.push(&[
            jump_if(code::EQ, A, K(0xffff)).with_offset(2),
            alu(code::MOV, A, K(ETH_P_802_2)),
            code::jump().with_offset(1),
            alu(code::MOV, A, K(ETH_P_802_3)),
        ]);
        Ok(())
    }
}

/// Whether an ancillary load has an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Yes,
    No,
}
