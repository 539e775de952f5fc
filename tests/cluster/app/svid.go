package main

// What an application without a library for SPIFFE does: it asks the Workload API for its svid, in the messages of the
// standard, and looks whether what it got holds together. Not owned: staying current; it asks once.

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

const (
	endpointVariable = "SPIFFE_ENDPOINT_SOCKET"
	fetchX509SVID    = "/SpiffeWorkloadAPI/FetchX509SVID"
)

// svid is what is told of the one that was fetched: nothing of its key but that it is the certificate's.
type svid struct {
	Identity    string `json:"identity"`
	Serial      string `json:"serial"`
	Chain       int    `json:"chain"`
	Authorities int    `json:"authorities"` // in the bundle
	KeyMatches  bool   `json:"keyMatches"`
	Verifies    bool   `json:"verifies"` // against the bundle
}

// raw carries messages as the bytes that they are.
type raw struct{}

func (raw) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }

func (raw) Unmarshal(bytes []byte, message any) error {
	*message.(*[]byte) = append([]byte(nil), bytes...)
	return nil
}

func (raw) Name() string { return "proto" }

// printSVID asks for the svid and prints it as one line of JSON.
func printSVID(ctx context.Context) error {
	address := os.Getenv(endpointVariable)
	if address == "" {
		return fmt.Errorf("%s is not set", endpointVariable)
	}
	response, err := fetch(ctx, address)
	if err != nil {
		return err
	}
	fetched, err := read(response)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(fetched)
}

// fetch returns the first answer of the stream.
func fetch(ctx context.Context, address string) ([]byte, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, end := context.WithCancel(metadata.AppendToOutgoingContext(ctx, "workload.spiffe.io", "true"))
	defer end()
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, fetchX509SVID)
	if err != nil {
		return nil, err
	}
	request, response := []byte{}, []byte{}
	if err := errors.Join(stream.SendMsg(&request), stream.CloseSend()); err != nil {
		return nil, err
	}
	err = stream.RecvMsg(&response)
	return response, err
}

// read looks into an X509SVIDResponse: its first svid (field 1), whose identity, chain, key and bundle are fields 1 to 4.
func read(response []byte) (svid, error) {
	first, err := field(response, 1)
	if err != nil {
		return svid{}, err
	}
	var parts [4][]byte
	for index := range parts {
		if parts[index], err = field(first, uint64(index+1)); err != nil {
			return svid{}, err
		}
	}
	chain, chainErr := x509.ParseCertificates(parts[1])
	key, keyErr := x509.ParsePKCS8PrivateKey(parts[2])
	bundle, bundleErr := x509.ParseCertificates(parts[3])
	if err := errors.Join(chainErr, keyErr, bundleErr); err != nil || len(chain) == 0 {
		return svid{}, fmt.Errorf("the svid cannot be read: %w", err)
	}
	fetched := svid{Identity: string(parts[0]), Serial: chain[0].SerialNumber.Text(16), Chain: len(chain), Authorities: len(bundle)}
	public, ok := key.(crypto.Signer).Public().(interface{ Equal(crypto.PublicKey) bool })
	fetched.KeyMatches = ok && public.Equal(chain[0].PublicKey)
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	for _, each := range bundle {
		roots.AddCert(each)
	}
	for _, each := range chain[1:] {
		between.AddCert(each)
	}
	_, err = chain[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	fetched.Verifies = err == nil && len(chain[0].URIs) == 1 && chain[0].URIs[0].String() == fetched.Identity
	return fetched, nil
}

// field returns the first field of this number in a message whose fields all have a length, as those of the standard that
// carry anything have.
func field(message []byte, number uint64) ([]byte, error) {
	for len(message) > 0 {
		tag, tagSize := binary.Uvarint(message)
		if tagSize <= 0 || tag&7 != 2 {
			return nil, fmt.Errorf("field %d has no length", tag>>3)
		}
		length, lengthSize := binary.Uvarint(message[tagSize:])
		begin := tagSize + lengthSize
		if lengthSize <= 0 || length > uint64(len(message)-begin) {
			return nil, fmt.Errorf("field %d is cut short", tag>>3)
		}
		content := message[begin : begin+int(length)]
		if tag>>3 == number {
			return content, nil
		}
		message = message[begin+int(length):]
	}
	return nil, fmt.Errorf("field %d is missing", number)
}
