// SPDX-License-Identifier: BSD-3-Clause

// DPDK's AF_PACKET driver asks for PACKET_FANOUT_FLAG_DEFRAG: the kernel would put IPv4 fragments
// together before it hands them over, into frames longer than the MTU, which the driver's buffers
// cut off. There is no device argument against it, so the one call is mended on its way: the
// program's setsockopt() comes before the C library's, for the driver too.

#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int setsockopt(int fd, int level, int name, const void *value, socklen_t bytes)
{
	int fanout;
	if (level == SOL_PACKET && name == PACKET_FANOUT && bytes == sizeof(fanout)) {
		memcpy(&fanout, value, sizeof(fanout));
		fanout &= ~(PACKET_FANOUT_FLAG_DEFRAG << 16);
		value = &fanout;
	}
	return syscall(SYS_setsockopt, fd, level, name, value, bytes);
}
