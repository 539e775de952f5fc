// kith-test-app is the application in the pods of Kith's cluster tests: a server for every protocol that matters
// to a mesh, and a caller that counts what became of its calls.
//
// Owned here: its flags, and its life. Not owned: any judgement; it reports what it saw, and the tests decide.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// settings are the flags. An address family of "" leaves the choice to the system.
type settings struct {
	port, tcpPort, grpcPort int
	tls, svid               bool
	call, once, family      string
	every, timeout          time.Duration
}

func main() {
	var chosen settings
	flag.IntVar(&chosen.port, "port", 8080, "HTTP, version 1 and 2 in the clear")
	flag.IntVar(&chosen.tcpPort, "tcp-port", 9000, "TCP that answers what it is sent; 0 for none")
	flag.IntVar(&chosen.grpcPort, "grpc-port", 9001, "gRPC health; 0 for none")
	flag.BoolVar(&chosen.tls, "tls-probe", false, "also serve HTTPS on 8443, with a certificate that nobody signed")
	flag.StringVar(&chosen.call, "call", "", "call this URL continually; counts at /counts, and on stdout at the end")
	flag.DurationVar(&chosen.every, "every", 20*time.Millisecond, "with --call: time between the starts of two calls")
	flag.StringVar(&chosen.once, "once", "", "call this URL once, print the answer, exit 0 if it was 2xx and else 1; serve nothing")
	flag.BoolVar(&chosen.svid, "svid", false, "ask the Workload API for the svid once, print it without its key; serve nothing")
	flag.StringVar(&chosen.family, "family", "", "with --call and --once: 4 or 6")
	flag.DurationVar(&chosen.timeout, "timeout", 10*time.Second, "with --call, --once and --svid: for a whole call")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := live(ctx, chosen); err != nil {
		fmt.Fprintf(os.Stderr, "kith-test-app: %s\n", err)
		os.Exit(1)
	}
}

// live does what the flags say until the context ends, or one of the servers fails.
func live(ctx context.Context, chosen settings) error {
	calls, err := newCaller(chosen)
	if err != nil {
		return err
	}
	if chosen.svid {
		ctx, end := context.WithTimeout(ctx, chosen.timeout)
		defer end()
		return printSVID(ctx)
	}
	if chosen.once != "" {
		return calls.once(ctx, chosen.once)
	}
	counts := &counts{}
	servers := []func(context.Context) error{
		func(ctx context.Context) error { return serveHTTP(ctx, chosen.port, handler(ctx, counts)) },
	}
	if chosen.tcpPort != 0 {
		servers = append(servers, func(ctx context.Context) error { return serveEcho(ctx, chosen.tcpPort) })
	}
	if chosen.grpcPort != 0 {
		servers = append(servers, func(ctx context.Context) error { return serveGRPC(ctx, chosen.grpcPort) })
	}
	if chosen.tls {
		servers = append(servers, func(ctx context.Context) error { return serveHTTPS(ctx, 8443, handler(ctx, counts)) })
	}
	if chosen.call != "" {
		servers = append(servers, func(ctx context.Context) error {
			calls.continually(ctx, chosen.call, chosen.every, counts)
			fmt.Println(counts.String())
			return nil
		})
	}
	return together(ctx, servers)
}

// together runs all until each has ended; the first that fails ends the others.
func together(ctx context.Context, servers []func(context.Context) error) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	ended := make(chan error)
	for _, serve := range servers {
		go func() { ended <- serve(ctx) }()
	}
	var failed error
	for range servers {
		if err := <-ended; err != nil {
			failed = errors.Join(failed, err)
			end()
		}
	}
	return failed
}
