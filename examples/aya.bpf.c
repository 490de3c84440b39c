/* What `aya.rs` loads: UDP goes to the socket of its queue, where there is one; all else to the network stack. */

struct xdp_md {
    unsigned data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex;
};

static long (*const redirect_map)(void *map, unsigned long long key, unsigned long long otherwise) = (void *)51;

enum { PASS = 2, XSKMAP = 17, UDP = 17 };

struct {
    int (*type)[XSKMAP];
    int (*key_size)[4];
    int (*value_size)[4];
    int (*max_entries)[64];
} sockets __attribute__((section(".maps"), used));

__attribute__((section("xdp"), used)) int steer(struct xdp_md *context)
{
    const unsigned char *packet = (void *)(long)context->data;
    const unsigned char *end = (void *)(long)context->data_end;
    if (packet + 34 > end || packet[12] != 0x08 || packet[13] != 0x00 || packet[23] != UDP)
        return PASS;
    return redirect_map(&sockets, context->rx_queue_index, PASS);
}
