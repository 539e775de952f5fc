package main

// The servers: each listens on both families, and ends at once but in order when its context does.

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// farewell is how long calls that are under way may take to finish.
const farewell = 3 * time.Second

func listen(port int) (net.Listener, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf("[::]:%d", port))
	if err != nil {
		return nil, fmt.Errorf("cannot listen on port %d: %w", port, err)
	}
	return listener, nil
}

func serveHTTP(ctx context.Context, port int, routes http.Handler) error {
	listener, err := listen(port)
	if err != nil {
		return err
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return serveUntilDone(ctx, listener, &http.Server{Handler: routes, Protocols: protocols})
}

func serveHTTPS(ctx context.Context, port int, routes http.Handler) error {
	listener, err := listen(port)
	if err != nil {
		return err
	}
	certificate, err := selfSigned()
	if err != nil {
		return err
	}
	secured := tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{certificate}})
	return serveUntilDone(ctx, secured, &http.Server{Handler: routes})
}

// serveUntilDone serves; at the end no call is taken any more, and those under way may finish.
func serveUntilDone(ctx context.Context, listener net.Listener, server *http.Server) error {
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		return errors.Join(fmt.Errorf("calls did not end in %s: %w", farewell, err), server.Close())
	}
	return nil
}

// serveEcho answers each connection with its own bytes.
func serveEcho(ctx context.Context, port int) error {
	listener, err := listen(port)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		connection, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		go echoBytes(ctx, connection)
	}
}

func echoBytes(ctx context.Context, connection net.Conn) {
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
	defer stop()
	// An error is the caller's end, whichever way it came.
	_, _ = io.Copy(connection, connection)
	_ = connection.Close()
}

func serveGRPC(ctx context.Context, port int) error {
	listener, err := listen(port)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	state := health.NewServer() // says SERVING of the server as a whole
	grpc_health_v1.RegisterHealthServer(server, state)
	stop := context.AfterFunc(ctx, func() {
		state.Shutdown()
		// Health watches are streams without an end: they are cut, everything shorter has ended by itself.
		server.Stop()
	})
	defer stop()
	return server.Serve(listener)
}

// selfSigned makes a certificate that no caller can verify, as many applications' probe ports have.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kith-test-app"}, DNSNames: []string{"kith-test-app"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
