// Command peer is go-spiffe on the other side of a Kith.
//
//	peer client   calls an address once, with the svid of files
//	peer server   answers calls, with the svid of files
//	peer workload is the application of a service of a mesh, with the svid of its Workload API
//
// A client sends one line and prints the answer; a server answers each line with the same line backwards, as
// `openssl s_server -rev` does. What went wrong is one line on stderr and exit code 1.
package main

import (
	"errors"
	"fmt"
	"os"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return errors.New("usage: peer client|server|workload")
	}
	switch args[0] {
	case "client":
		return client(args[1:])
	case "server":
		return server(args[1:])
	case "workload":
		return workload()
	default:
		return fmt.Errorf("unknown verb %q", args[0])
	}
}
