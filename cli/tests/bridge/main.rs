//! `packet-ring bridge` between two veth pairs: what goes in at one end comes out at the other.

#[path = "../common/mod.rs"]
mod common;

mod forwarding;
mod links;
mod network;
mod refusal;
mod wires;
mod xdp;

use forwarding::*;
use links::*;
use network::*;
use refusal::*;
use xdp::*;

packet_ring_lab::suite![
    every_frame_arrives_once_and_in_order_both_ways,
    it_ends_in_the_midst_and_its_counts_add_up,
    every_length_arrives_byte_for_byte,
    a_vlan_tag_is_put_back,
    a_filter_holds_in_both_directions,
    what_this_machine_sends_is_not_forwarded,
    too_long_for_the_other_side_is_counted_and_passed_over,
    a_user_signal_asks_for_statistics,
    tcp_goes_through_with_checksums_and_segments_left_to_the_interface,
    udp_goes_through_with_checksums_left_to_the_interface,
    a_side_may_go_down_and_come_back,
    an_interface_that_goes_away_ends_it,
    xdp_forwards_every_frame_once_and_in_order_both_ways,
    xdp_counts_what_is_too_long_and_leaves_the_rest_whole,
    xdp_forwards_large_packets_whole,
    xdp_filters_and_leaves_the_rest_to_the_stack,
    xdp_waits_for_a_side_that_is_down_and_ends_with_one_that_goes,
    what_cannot_be_bridged_is_told,
    without_permission_it_prints_the_setcap_line,
];
