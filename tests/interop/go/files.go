package main

// One connection with the svid and the bundle of files: both ends of it.

import (
	"bufio"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"slices"
	"time"

	"github.com/spiffe/go-spiffe/v2/bundle/x509bundle"
	"github.com/spiffe/go-spiffe/v2/spiffeid"
	"github.com/spiffe/go-spiffe/v2/spiffetls/tlsconfig"
	"github.com/spiffe/go-spiffe/v2/svid/x509svid"
)

// limit is how long one connection may take.
const limit = 10 * time.Second

// side is what both ends are told.
type side struct {
	svid    *x509svid.SVID
	bundle  *x509bundle.Bundle
	expect  spiffeid.ID
	address string
	max     uint16
}

// read makes a side of the flags.
func read(args []string) (*side, error) {
	flags := flag.NewFlagSet("peer", flag.ContinueOnError)
	svid := flags.String("svid", "", "file of the chain, in PEM")
	key := flags.String("key", "", "file of the key, in PEM")
	bundle := flags.String("bundle", "", "file of the anchors, in PEM")
	trustDomain := flags.String("trust-domain", "", "whose anchors they are")
	expect := flags.String("expect", "", "the identity that the other end must have")
	address := flags.String("address", "127.0.0.1:0", "where to call, or to listen")
	tls12 := flags.Bool("tls12", false, "offer nothing newer than TLS 1.2")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	s := &side{address: *address}
	if *tls12 {
		s.max = tls.VersionTLS12
	}
	domain, err := spiffeid.TrustDomainFromString(*trustDomain)
	if err != nil {
		return nil, err
	}
	if s.expect, err = spiffeid.FromString(*expect); err != nil {
		return nil, err
	}
	if s.bundle, err = x509bundle.Load(domain, *bundle); err != nil {
		return nil, err
	}
	s.svid, err = x509svid.Load(*svid, *key)
	return s, err
}

// client sends one line and prints what comes back.
func client(args []string) error {
	s, err := read(args)
	if err != nil {
		return err
	}
	config := tlsconfig.MTLSClientConfig(s.svid, s.bundle, tlsconfig.AuthorizeID(s.expect))
	config.MaxVersion = s.max
	connection, err := tls.DialWithDialer(&net.Dialer{Timeout: limit}, "tcp", s.address, config)
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if _, err := io.WriteString(connection, "ping\n"); err != nil {
		return err
	}
	answer, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return fmt.Errorf("no answer: %w", err)
	}
	_, err = fmt.Print(answer)
	return err
}

// server answers until it is ended. Who is refused is a line on stdout.
func server(args []string) error {
	s, err := read(args)
	if err != nil {
		return err
	}
	config := tlsconfig.MTLSServerConfig(s.svid, s.bundle, tlsconfig.AuthorizeID(s.expect))
	config.MaxVersion = s.max
	listener, err := tls.Listen("tcp", s.address, config)
	if err != nil {
		return err
	}
	fmt.Println("listening on", listener.Addr())
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		if err := answer(connection); err != nil {
			fmt.Println("refused:", err)
		}
	}
}

// answer serves one connection.
func answer(connection net.Conn) error {
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil {
		return err
	}
	backwards := []byte(line[:len(line)-1])
	slices.Reverse(backwards)
	_, err = connection.Write(append(backwards, '\n'))
	return err
}
