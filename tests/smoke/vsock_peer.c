// SPDX-License-Identifier: MIT
/*
 * One end of a vsock connection, for the smoke tests; the same program on the host and, static, in the guest.
 *
 *	listen PORT		waits for one connection, sends back what comes
 *	connect CID PORT N	sends N bytes, wants them back; prints "same" when they were
 */
#include <linux/vm_sockets.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int serve(unsigned port)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0), conn;
	char buf[65536];
	ssize_t n;

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1) < 0)
		die("listen");
	puts("listening");
	fflush(stdout);
	conn = accept(fd, NULL, NULL);
	if (conn < 0)
		die("accept");
	while ((n = read(conn, buf, sizeof(buf))) > 0)
		for (ssize_t off = 0, m; off < n; off += m)
			if ((m = write(conn, buf + off, n - off)) < 0)
				die("write");
	return 0;
}

static unsigned char byte(unsigned long i) { return i * 7 + i / 251; }

static int ask(unsigned cid, unsigned port, unsigned long total)
{
	struct sockaddr_vm addr = { .svm_family = AF_VSOCK, .svm_cid = cid, .svm_port = port };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0);
	unsigned long sent = 0, got = 0;
	unsigned char buf[65536];

	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		die("connect");
	while (got < total) {
		struct pollfd p = { .fd = fd, .events = POLLIN | (sent < total ? POLLOUT : 0) };
		ssize_t n;

		poll(&p, 1, -1);
		if (p.revents & POLLOUT) {
			size_t len = total - sent < 4096 ? total - sent : 4096;

			for (size_t i = 0; i < len; i++)
				buf[i] = byte(sent + i);
			n = send(fd, buf, len, MSG_DONTWAIT);
			sent += n > 0 ? n : 0;
		}
		if (!(p.revents & (POLLIN | POLLHUP | POLLERR)))
			continue;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			die("read");
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != byte(got + i)) {
				puts("different");
				return 1;
			}
		got += n;
	}
	puts("same");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "listen"))
		return serve(atoi(argv[2]));
	if (argc == 5 && !strcmp(argv[1], "connect"))
		return ask(atoi(argv[2]), atoi(argv[3]), atol(argv[4]));
	return 2;
}
